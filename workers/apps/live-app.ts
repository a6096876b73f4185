import type { JsonValue } from "../../src/core/json.js";
import { toStorableText } from "../../src/core/storable-text.js";
import type { Transition } from "../../src/core/transition.js";
import type { LineCut } from "../../src/executors/script/line-splitter.js";
import { createLineTail } from "../../src/executors/script/line-tail.js";
import {
  type AppServing,
  ExecutionError,
  type ExecutorEmitter,
  type LogStream,
  type Sandbox,
  type SecretMask,
} from "../../src/executors/types.js";
import type { Logger } from "../../src/observability/logger.js";
import type { AppRows } from "../../src/services/apps/app-rows.js";
import { type AppProcess, type AppProcessLimits, createAppProcess } from "./app-process.js";
import type { LinkServer, SubmitAnswer } from "./link-server.js";

/** The execution that started an app. */
export interface AppExecution {
  readonly runId: string;
  readonly versionId: string;
  readonly stepId: string;
  readonly stepIndex: number;
  readonly itemIndex: number;
  readonly attempt: number;
  readonly token: string;
  readonly name: string;
  readonly mcpVersionId: string;
  /** Of what the app sends back. */
  readonly outputSchema: JsonValue | null;
  readonly waitForSubmit: boolean;
  readonly emit: ExecutorEmitter;
  readonly mask: SecretMask;
}

/** What an app needs of its worker. */
export interface LiveAppDeps {
  readonly rows: AppRows;
  readonly sandbox: Sandbox;
  readonly logger: Logger;
  readonly processLimits?: Partial<AppProcessLimits>;
  /** Ends the step that waits for the app, or gives it back. */
  endStep(execution: AppExecution, ending: StepEnding): Promise<void>;
  /** Takes what the app sends back as the step's output. */
  takeSubmit(app: LiveApp, values: JsonValue): Promise<SubmitAnswer>;
  removeFolder(folder: string): Promise<void>;
  /** Called once it is no more. */
  onEnded(app: LiveApp): void;
}

/** How a step ends with its app. */
export type StepEnding =
  | Pick<Extract<Transition, { kind: "fail" }>, "kind" | "error" | "isRetryable">
  | { readonly kind: "release" };

/** Why an app ends, and what that means for a step that waits for it; undefined: nothing. */
export interface AppEnding {
  readonly status: "stopped" | "failed";
  readonly reason: string;
  readonly step?: StepEnding;
}

const TAIL_LINES = 100;
const TAIL_CHARACTERS = 500;

/** One app of this worker, from its folder to its end. */
export class LiveApp {
  readonly id: string;
  readonly execution: AppExecution;
  readonly folder: string;
  readonly idleTimeoutSeconds: number;
  readonly #deps: LiveAppDeps;
  readonly #tail = createLineTail(TAIL_LINES);
  #link: LinkServer | undefined;
  #serving: AppServing | undefined;
  #process: AppProcess | undefined;
  #open = 0;
  #usedAt = performance.now();
  #ending: Promise<void> | undefined;
  /** The step has its values, or is being given them. */
  isSubmitted = false;

  constructor(
    deps: LiveAppDeps,
    app: {
      readonly id: string;
      readonly execution: AppExecution;
      readonly folder: string;
      readonly idleTimeoutSeconds: number;
    },
  ) {
    this.#deps = deps;
    this.id = app.id;
    this.execution = app.execution;
    this.folder = app.folder;
    this.idleTimeoutSeconds = app.idleTimeoutSeconds;
  }

  get serving(): AppServing | undefined {
    return this.#serving;
  }

  get isUp(): boolean {
    if (this.#ending) return false;
    return this.#serving?.kind === "pages" || this.#process?.isUp === true;
  }

  get isEnding(): boolean {
    return this.#ending !== undefined;
  }

  /** Whether a step waits for what it sends back. */
  get isAwaited(): boolean {
    return this.execution.waitForSubmit && !this.isSubmitted;
  }

  get idleMs(): number {
    return this.#open > 0 ? 0 : performance.now() - this.#usedAt;
  }

  get logTail(): readonly string[] {
    return this.#tail.lines;
  }

  hold(link: LinkServer): void {
    this.#link = link;
  }

  /** Counts a request or an open connection; call what it returns at its end. */
  use(): () => void {
    this.#open += 1;
    return () => {
      this.#open -= 1;
      this.#usedAt = performance.now();
    };
  }

  /** @throws ExecutionError when it does not come up; it is ended by then. */
  async serve(serving: AppServing): Promise<void> {
    this.#serving = serving;
    const { rows } = this.#deps;
    if (serving.kind === "process") await this.#startProcess(serving);
    await rows.setStatus(this.id, "running", 0);
    this.#usedAt = performance.now();
    this.log("system", `The app ${this.id} runs`);
  }

  log(stream: LogStream, line: string, cut?: LineCut): void {
    // a step that has ended takes no more lines
    if (this.#serving === undefined || !this.isUp || this.isAwaited)
      this.execution.emit.log(stream, line, cut);
    // half a character at the cut would be refused by PostgreSQL, and with it the heartbeat of every app here
    const shown = toStorableText(this.execution.mask.text(line).slice(0, TAIL_CHARACTERS));
    this.#tail.push(shown, cut ?? { continues: false });
  }

  async submit(values: JsonValue): Promise<SubmitAnswer> {
    if (!this.execution.waitForSubmit)
      return { ok: false, error: "The step does not wait for values: it lacks waitForSubmit" };
    if (this.isSubmitted) return { ok: false, error: "The values were sent already" };
    this.isSubmitted = true;
    try {
      const answer = await this.#deps.takeSubmit(this, values);
      this.isSubmitted = answer.ok;
      return answer;
    } catch (error) {
      this.isSubmitted = false;
      this.#deps.logger.error({ err: error, appId: this.id }, "values of an app not stored");
      return { ok: false, error: "The values could not be stored. Try again." };
    }
  }

  /** Ends it, once; resolves when nothing is left of it. */
  async end(ending: AppEnding): Promise<void> {
    this.#ending ??= this.#finish(ending);
    await this.#ending;
  }

  async #startProcess(serving: Extract<AppServing, { kind: "process" }>): Promise<void> {
    const { sandbox, rows, logger, processLimits } = this.#deps;
    const note = (work: Promise<void>) =>
      void work.catch((error: unknown) => logger.warn({ err: error, appId: this.id }, "app not noted"));
    this.#process = createAppProcess({
      sandbox,
      folder: this.folder,
      serving,
      limits: processLimits,
      onLine: (stream, line, cut) => this.log(stream, line, cut),
      onUp: (restarts) => note(rows.setStatus(this.id, "running", restarts)),
      onDown: (restarts) => note(rows.setStatus(this.id, "starting", restarts)),
      onGivenUp: (reason) => {
        const error = { code: "script_error", message: reason } as const;
        note(this.end({ status: "failed", reason, step: { kind: "fail", error, isRetryable: true } }));
      },
    });
    try {
      await this.#process.start();
    } catch (error) {
      const tail = this.logTail.slice(-20).join("\n");
      const message = error instanceof Error ? error.message : String(error);
      await this.end({ status: "failed", reason: message });
      throw new ExecutionError("script_error", message, { details: { output: tail }, cause: error });
    }
  }

  async #finish({ status, reason, step }: AppEnding): Promise<void> {
    const { rows, logger, removeFolder, endStep, onEnded } = this.#deps;
    const isAwaited = this.isAwaited;
    if (isAwaited && step) this.execution.emit.log("system", `The app ends: ${reason}`);
    await this.#process?.stop();
    await this.#link?.close();
    const { logTail } = this;
    const parts = [
      ...(isAwaited && step ? [endStep(this.execution, step)] : []),
      rows.end(this.id, status, { reason, logTail }),
      removeFolder(this.folder),
    ];
    for (const result of await Promise.allSettled(parts))
      if (result.status === "rejected")
        logger.error({ err: result.reason, appId: this.id }, "app not ended cleanly");
    logger.info({ appId: this.id, status, reason }, "app ended");
    onEnded(this);
  }
}
