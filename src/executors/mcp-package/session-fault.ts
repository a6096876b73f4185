import { StreamableHTTPError } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { ErrorCode, McpError } from "@modelcontextprotocol/sdk/types.js";
import { OutgoingRefusedError, REFUSAL } from "../../outgoing/outgoing-guard.js";
import { networkFault, statusFault, upstreamFault } from "../http-request/upstream-fault.js";
import { cleanText } from "../script/line-splitter.js";
import { ExecutionError, type SandboxExit } from "../types.js";

const MOST_TEXT = 2_000;

/** What is known of a session that broke. */
export interface BrokenSession {
  /** Why the wire was cut. */
  readonly fault: ExecutionError | undefined;
  /** How the server's process ended, if it has. */
  readonly exit: SandboxExit | undefined;
  readonly stderr: string;
  /** Of a server at a URL. */
  readonly origin?: string;
  /** Seconds that the server had for its answer. */
  readonly limitSeconds: number;
}

/** What a session threw, as the error of the step. */
export function toSessionFault(error: unknown, session: BrokenSession): ExecutionError {
  if (session.fault) return session.fault;
  if (error instanceof ExecutionError) return error;
  if (error instanceof McpError && error.code === ErrorCode.RequestTimeout) {
    return new ExecutionError("upstream_error", `The server did not answer within ${session.limitSeconds} s`);
  }
  if (session.exit) return toExitFault(session.exit, session.stderr);
  if (error instanceof StreamableHTTPError) {
    const [, body = ""] = /endpoint: (.*)$/s.exec(error.message) ?? [];
    const shown = cleanText(body).slice(0, MOST_TEXT);
    if (/^Redirect /.test(shown)) return upstreamFault(`redirects to another origin: ${shown}`);
    if (error.code === undefined || error.code < 100) return upstreamFault("did not answer in the protocol");
    return statusFault(error.code, { body: shown, retryAfter: undefined });
  }
  if (error instanceof McpError) return toProtocolFault(error);
  const refusal = findRefusal(error);
  if (refusal) return new ExecutionError("invalid_input", `/transport/url ${REFUSAL}`, { cause: error });
  if (isSchemaError(error)) return upstreamFault("sent an answer that is no valid result");
  if (error instanceof Error && /protocol version/.test(error.message)) {
    return upstreamFault("speaks no version of the protocol that is known here");
  }
  if (session.origin !== undefined) return networkFault(error, session.origin);
  return new ExecutionError("upstream_error", "The exchange with the server failed", { cause: error });
}

function toProtocolFault(error: McpError): ExecutionError {
  const text = cleanText(error.message).slice(0, MOST_TEXT);
  if (error.code === ErrorCode.InvalidParams) {
    return new ExecutionError("invalid_input", `The server refused the arguments: ${text}`);
  }
  if (error.code === ErrorCode.ConnectionClosed)
    return new ExecutionError("upstream_error", "The server ended");
  return new ExecutionError("upstream_error", `The server answered with an error: ${text}`, {
    details: { code: error.code },
  });
}

function toExitFault(exit: SandboxExit, stderr: string): ExecutionError {
  if (exit.outOfMemory) {
    return new ExecutionError("out_of_memory", "The server used more memory than its memoryMb allows");
  }
  const how = exit.signal ? `by the signal ${exit.signal}` : `with exit code ${exit.exitCode}`;
  return new ExecutionError("upstream_error", `The server ended ${how} before it had answered`, {
    details: {
      ...(exit.exitCode !== null && { exitCode: exit.exitCode }),
      ...(exit.signal && { signal: exit.signal }),
      ...(stderr && { stderr }),
    },
  });
}

function findRefusal(error: unknown): OutgoingRefusedError | undefined {
  for (let at: unknown = error; at instanceof Error; at = at.cause) {
    if (at instanceof OutgoingRefusedError) return at;
  }
  return undefined;
}

function isSchemaError(error: unknown): boolean {
  return error instanceof SyntaxError || (error instanceof Error && error.name.includes("ZodError"));
}
