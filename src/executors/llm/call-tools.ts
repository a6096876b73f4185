import type { JsonObject, JsonValue } from "../../core/json.js";
import { ApprovalNeededError, type ExecutionContext, ExecutionError } from "../types.js";
import { boundJson, toModelText } from "./bounded-json.js";
import type { AskedCall } from "./read-round.js";
import { parseArguments, toInputs, type ToolFunction } from "./tool-functions.js";

/** One entry of the output's `toolCalls`. */
export type MadeCall = JsonObject & { readonly id: string };

/** What became of a call: for the model, and for the output. */
export interface CallOutcome {
  readonly id: string;
  readonly forModel: string;
  readonly made: MadeCall;
}

const MOST_EVENT_CHARACTERS = 16 * 1024;
const MOST_MODEL_CHARACTERS = 128 * 1024;
const MOST_OUTPUT_CHARACTERS = 64 * 1024;

/**
 * Makes the calls that a model asked for, one after the other. What goes wrong with a call is told to the model; each
 * call is an event.
 * @throws the signal's reason when the execution is aborted; ApprovalNeededError when a call needs one.
 */
export async function callTools(
  context: ExecutionContext,
  tools: ReadonlyMap<string, ToolFunction>,
  calls: readonly AskedCall[],
  round: number,
): Promise<CallOutcome[]> {
  const outcomes: CallOutcome[] = [];
  for (const call of calls) outcomes.push(await callTool(context, tools.get(call.name), call, round));
  return outcomes;
}

type Result = { readonly result: JsonValue } | { readonly error: JsonObject };

async function callTool(
  context: ExecutionContext,
  tool: ToolFunction | undefined,
  call: AskedCall,
  round: number,
): Promise<CallOutcome> {
  const startedAt = performance.now();
  const parsed = parseArguments(call.arguments);
  const result = await attempt(context, tool, call, parsed);
  const durationMs = Math.round(performance.now() - startedAt);
  const given: JsonValue = "inputs" in parsed ? parsed.inputs : call.arguments;
  const named = {
    tool: tool?.reference ?? call.name,
    name: call.name,
    ...(tool?.tool === undefined ? {} : { packageTool: tool.tool }),
  };
  const bounded = (most: number): JsonObject => ({
    ...named,
    arguments: boundJson(given, most),
    ...("result" in result ? { result: boundJson(result.result, most) } : result),
    durationMs,
    round,
  });
  context.emit.progress(bounded(MOST_EVENT_CHARACTERS), { isMilestone: true });
  const told = "result" in result ? result.result : { error: result.error };
  return {
    id: call.id,
    forModel: toModelText(told, MOST_MODEL_CHARACTERS),
    made: { id: call.id, ...bounded(MOST_OUTPUT_CHARACTERS) },
  };
}

async function attempt(
  context: ExecutionContext,
  tool: ToolFunction | undefined,
  call: AskedCall,
  parsed: ReturnType<typeof parseArguments>,
): Promise<Result> {
  if (!tool) return { error: { code: "invalid_input", message: `there is no tool "${call.name}"` } };
  if ("fault" in parsed) return { error: { code: "invalid_input", message: parsed.fault } };
  try {
    return { result: await context.components.call(tool.reference, toInputs(tool, parsed.inputs)) };
  } catch (error) {
    context.signal.throwIfAborted();
    if (!(error instanceof ExecutionError) || error instanceof ApprovalNeededError) throw error;
    const { code, message, details } = error;
    return {
      error: {
        code,
        message: message.slice(0, 4_000),
        ...(details === undefined ? {} : { details: boundJson(details, 8_192) }),
      },
    };
  }
}
