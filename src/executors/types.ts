import type { Duplex } from "node:stream";
import type { ZodType } from "zod";
import type { JsonObject, JsonValue } from "../core/json.js";
import type { RunErrorCode } from "../core/statuses.js";
import type { ToolListing } from "../core/tool-contract.js";

/** Every type of component. */
export const MCP_TYPES = [
  "python_script",
  "typescript_script",
  "jupyter_notebook",
  "llm_prompt",
  "streamlit_app",
  "mcp_package",
] as const;
export type McpType = (typeof MCP_TYPES)[number];

/** The stream that a log line came from; `system` lines are Headrace's own. */
export type LogStream = "stdout" | "stderr" | "system";

/** How isolated user code runs, strongest first. */
export type SandboxLevel = "namespace" | "landlock" | "process" | "none";

/** A file that a step left in its `artifacts/` folder, or an output too large for a row. */
export interface ArtifactRef {
  readonly id: string;
  readonly name: string;
  readonly contentType: string;
  readonly sizeBytes: number;
  readonly sha256: string;
}

/** The reach of a trusted tool that runs as the worker. */
export interface SandboxTool {
  /** Where it writes beside its folder. */
  readonly writablePaths: readonly string[];
  /** Each as `host:port`; it connects to nothing else. */
  readonly hosts: readonly string[];
  /** The URL of a proxy of the operator's, which then decides in the place of `hosts`. */
  readonly proxy?: string | undefined;
}

/** What a child process is started with; the sandbox adds limits, identity and a clean environment. */
export interface SandboxCommand {
  readonly command: string;
  readonly args: readonly string[];
  /** Added to the allow-listed base environment. */
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  readonly memoryMb: number;
  readonly timeoutSeconds: number;
  /** Extra read-only paths that the child needs, an interpreter's environment for one. */
  readonly readOnlyPaths?: readonly string[];
  readonly network: boolean;
  /** Also bounds address space: right for Python, fatal for Node.js, which reserves far more than it uses. */
  readonly limitAddressSpace?: boolean;
  /**
   * Who it runs as: `step` (default) takes the execution's own unprivileged user where there is one, `worker` the
   * worker's, for trusted tools such as package installers. Never user code.
   */
  readonly identity?: "step" | "worker";
  /** What a trusted tool is held to, where the level has walls for it. */
  readonly tool?: SandboxTool;
  /**
   * It runs nothing but trusted code until input is written, and may wait for that a long time: its memory is watched
   * from then on.
   */
  readonly waitsForInput?: boolean;
  /** What the sandbox may fork instead of starting `command`, when that is quicker and no less isolated. */
  readonly warm?: WarmInterpreter;
  /** Ports of the step's own loopback, each with what stands behind it. Only where the level says that it can. */
  readonly forwards?: readonly SandboxForward[];
}

/** A port inside a sandbox that leads to one place outside, and nowhere else. */
export interface SandboxForward {
  readonly port: number;
  /** Opens what a connection of the step is joined to; called once for each. */
  connect(): Promise<Duplex>;
}

/** A Python interpreter with its harness loaded, of which a fork does what {@link SandboxCommand.command} would. */
export interface WarmInterpreter {
  readonly kind: "python";
  /** The base interpreter, never one of an environment: a package's code may run as it starts. */
  readonly interpreter: string;
  /** The virtual environment that the fork takes its packages from, once it has given up its privileges. */
  readonly environment?: string;
}

/** How a child process ended. Exactly one of `exitCode` and `signal` is set. */
export interface SandboxExit {
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  /** The memory watchdog ended it. */
  readonly outOfMemory: boolean;
  /** The disk watchdog ended it: its work folder had grown beyond what a step may leave there. */
  readonly outOfDisk?: boolean;
}

/** A running child process with its whole tree. */
export interface SandboxProcess {
  readonly pid: number;
  /** Whether it was forked from a warm interpreter. */
  readonly isWarm: boolean;
  /** Bytes written here arrive on the child's stdin. */
  writeInput(data: string | Uint8Array): void;
  endInput(): void;
  onStdout(listener: (chunk: Buffer) => void): void;
  onStderr(listener: (chunk: Buffer) => void): void;
  /** The private channel (fd 3) on which a harness reports results; never mixed with user output. */
  onControl(listener: (chunk: Buffer) => void): void;
  /** Lines for the step's log that the sandbox itself has to say, of its network for one; few, the last before `exited`. */
  onNotice?(listener: (line: string) => void): void;
  /** Resolves when the child has ended and its pipes are drained. Never rejects. */
  readonly exited: Promise<SandboxExit>;
  /** Ends the whole tree: SIGTERM, then SIGKILL after `graceMs`. Resolves when nothing is left. */
  kill(graceMs?: number): Promise<void>;
}

/** Starts user code outside the worker's own process. */
export interface Sandbox {
  readonly level: SandboxLevel;
  /** Why the level is no stronger, in words an operator can act on. */
  readonly reasons: readonly string[];
  start(command: SandboxCommand): Promise<SandboxProcess>;
}

/** What an executor keeps warm processes with: they are started before there is an execution. */
export interface WarmGround {
  readonly sandbox: Sandbox;
  /** Makes a work folder, as each execution gets one. Whoever makes it removes it, unless an execution took it. */
  makeWorkdir(): Promise<string>;
  removeWorkdir(path: string): Promise<void>;
}

/** Hides secret values in whatever leaves an execution. */
export interface SecretMask {
  text(value: string): string;
  json(value: JsonValue): JsonValue;
}

/** Events that an executor may report while it works. Secrets are hidden in all of them. */
export interface ExecutorEmitter {
  /** @param cut `continues`: the line was cut, and goes on in the next call for this stream. */
  log(stream: LogStream, message: string, cut?: { readonly continues: boolean }): void;
  /**
   * Of several reports that come within a tenth of a second, only the last is kept, unless they say `isMilestone`:
   * a milestone is an event of its own. Keep those few.
   */
  progress(data: JsonObject, options?: { readonly isMilestone?: boolean }): void;
  token(text: string): void;
}

/** Keeps files for the run besides what the execution leaves in its `artifacts/` folder. */
export interface ExecutionArtifacts {
  /**
   * Keeps bytes as an artifact of this attempt; the reference may be part of the output.
   * @param content `contentType` is told from the name and the first bytes by default.
   */
  save(
    content: { readonly name: string; readonly contentType?: string },
    bytes: Uint8Array,
  ): Promise<ArtifactRef>;
}

/** A request as an app's page sends it. */
export interface AppRequest {
  readonly method: string;
  /** Below the app's own root: `/`, `/assets/x.js`. Without the query. */
  readonly path: string;
}

/** What an app's page gets. */
export interface AppPage {
  readonly headers: Readonly<Record<string, string>>;
  /** A file to be sent, or the body itself. */
  readonly file?: string;
  readonly body?: string;
}

/** How an app is served: by a process of its own, or by pages that run in the browser. */
export type AppServing =
  | {
      readonly kind: "process";
      /** Run in the app's folder, again after a crash. */
      readonly command: Omit<SandboxCommand, "cwd">;
      /** Name of the unix socket that it listens on, in its folder, and the path that answers 200 once it serves. */
      readonly socketName: string;
      readonly healthPath: string;
    }
  | { readonly kind: "pages"; findPage(request: AppRequest): AppPage | undefined };

/** A new app, not yet serving. */
export interface OpenedApp {
  readonly appId: string;
  /** Where a browser opens it. */
  readonly url: string;
  /** A folder of its own, writable by user code. It stays as long as the app does. */
  readonly folder: string;
  /** Begins to serve; resolves once the app answers. @throws ExecutionError `script_error` when it does not come up. */
  serve(serving: AppServing): Promise<void>;
  /** Ends it and removes its folder, because it could not be made ready. */
  abandon(reason: string): Promise<void>;
}

/** Starts apps: things that people open in a browser, and that outlive the execution that started them. */
export interface AppStarter {
  /**
   * Notes a new app and makes its folder, where `headrace.sock` takes what the app sends back: one JSON document a
   * line, `{ "values": … }`, answered by `{ "ok": true }` or `{ "ok": false, "error", "errors" }`.
   */
  open(app: { readonly mode: "server" | "browser"; readonly idleTimeoutSeconds: number }): Promise<OpenedApp>;
  /** Whether a value holds one of the execution's secrets. */
  holdsSecret(value: JsonValue): boolean;
}

/** One tool of a Model Context Protocol package, as its contract says. */
export interface PackageTool {
  readonly name: string;
  readonly description?: string | undefined;
  readonly inputSchema: JsonObject;
}

/** What is known of a component before it is called. */
export interface ComponentFacts {
  readonly name: string;
  readonly description: string;
  readonly inputSchema: JsonObject | null;
  /** Of a package that leaves open which tool is called; each is called with the inputs `{ tool, arguments }`. */
  readonly tools?: readonly PackageTool[];
}

/** Other components, for an execution that uses them as tools. References are `mcp:NAME@VERSION`. */
export interface ComponentDoor {
  /** @throws ExecutionError `invalid_input` when there is no such version. */
  describe(reference: string): Promise<ComponentFacts>;
  /**
   * Runs it once, within this attempt: in a work folder of its own, with its own secrets and time limit; its logs and
   * files become this step's.
   * @throws ExecutionError as its executor does; `invalid_input` too when calls go in a circle or too deep.
   */
  call(reference: string, inputs: JsonObject): Promise<JsonValue>;
}

/** The hosts that secrets are bound to; secrets that may go anywhere are not named. */
export interface SecretHosts {
  /** Of each such secret among the inputs. */
  readonly inputs: readonly (readonly string[])[];
  /** Of each such secret of the version, by its name. */
  readonly named: Readonly<Record<string, readonly string[]>>;
}

/** The world of one execution. An executor imports no service, model or queue. */
export interface ExecutionContext {
  readonly runId: string;
  readonly stepId: string;
  readonly attempt: number;
  /** Of an item of a `forEach`. */
  readonly itemIndex?: number;
  /** Aborted by time-out, cancel or shutdown; `signal.reason` is an {@link ExecutionError} that says which. */
  readonly signal: AbortSignal;
  readonly emit: ExecutorEmitter;
  readonly sandbox: Sandbox;
  /** A folder of this execution alone, writable by user code; deleted afterwards. Has an `artifacts/` folder. */
  readonly workdir: string;
  /** Seconds this execution may take; `signal` enforces it, executors may pass it on. */
  readonly timeoutSeconds: number;
  /** The version that is run; absent where a configuration is run that is stored nowhere. */
  readonly mcpVersionId?: string;
  /** Values of the secrets that the MCP version names. */
  readonly secrets: Readonly<Record<string, string>>;
  /** Secrets that are bound to hosts: outgoing calls send them to no other. */
  readonly secretHosts?: SecretHosts;
  /** Hides these secrets and those of the input. Events, output and errors are masked by the runner; artifacts are not. */
  readonly mask: SecretMask;
  readonly components: ComponentDoor;
  readonly artifacts: ExecutionArtifacts;
  /** Missing where nothing can serve apps: outside of a worker. */
  readonly apps?: AppStarter;
  readonly limits: { readonly maxOutputBytes: number };
}

/** One component type: its configuration's schema and how it runs. */
export interface ExecutorDefinition<Config = unknown> {
  readonly type: McpType;
  /** Validates `config` of a version; strict, so unknown fields are faults. */
  readonly configSchema: ZodType<Config>;
  /** Name and one sentence for people. */
  readonly label: string;
  readonly description: string;
  /** What a language model must know to write its configuration. */
  readonly copilotPrompt: string;
}

/** The execution that is about to begin. */
export interface UpcomingExecution {
  readonly runId: string;
  readonly stepId: string;
  readonly attempt: number;
  readonly input: JsonObject;
}

/** The contract of all executors. */
export interface Executor<Config = unknown> {
  readonly type: McpType;
  /**
   * Runs the component once.
   * @returns the output, any JSON value.
   * @throws ExecutionError with the code of what went wrong.
   */
  execute(config: Config, input: JsonObject, context: ExecutionContext): Promise<JsonValue>;
  /**
   * The work folder in which a warm process of this executor already stands, for the execution that is about to
   * begin with this configuration. It becomes that execution's `workdir`, and the runner deletes it at its end.
   */
  takeWorkdir?(config: Config, execution?: UpcomingExecution): string | undefined;
  /** Whether the executor keeps the folder of an execution that has ended, for a retry; it removes it itself then. */
  keepsWorkdir?(workdir: string): boolean;
  /** The version's `outputSchema` is of what an app sends back, not of what `execute` returns. */
  readonly hasSubmittedOutput?: true;
  /** The tools that a component offers, where it offers any; starts what it takes to ask. @throws ExecutionError */
  listTools?(config: Config, context: ExecutionContext): Promise<ToolListing>;
  /** Frees what outlives an execution, warm interpreters for one. */
  close?(): Promise<void>;
}

/** Why an execution did not give an output. */
export class ExecutionError extends Error {
  readonly code: RunErrorCode;
  readonly details: JsonValue | undefined;
  /** False when trying again cannot help: bad input, bad configuration, cancel. */
  readonly retryable: boolean;

  constructor(
    code: RunErrorCode,
    message: string,
    options: { details?: JsonValue; retryable?: boolean; cause?: unknown } = {},
  ) {
    super(message, { cause: options.cause });
    this.name = "ExecutionError";
    this.code = code;
    this.details = options.details;
    this.retryable = options.retryable ?? !["invalid_input", "canceled", "rejected"].includes(code);
  }
}

/**
 * The execution may go on only once a person has approved. The step waits for that and then begins anew, so what was
 * done before is done again. An execution that called this one passes it on.
 */
export class ApprovalNeededError extends ExecutionError {
  /** What the person approves. */
  readonly request: { readonly reason: string; readonly detail: string; readonly subject: string };

  /** @param request `subject` names what the approval is good for: a step that has it does not ask again. */
  constructor(request: ApprovalNeededError["request"]) {
    super("rejected", `Needs approval: ${request.detail}`, { retryable: false });
    this.name = "ApprovalNeededError";
    this.request = request;
  }
}
