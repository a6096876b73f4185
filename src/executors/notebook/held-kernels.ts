import { createHash } from "node:crypto";
import type { JsonObject } from "../../core/json.js";
import type { UpcomingExecution, WarmGround } from "../types.js";
import type { NotebookConfig } from "./definition.js";
import type { NotebookDocument } from "./notebook-document.js";
import type { NotebookHelper } from "./notebook-helper.js";

/** A kernel in which a cell failed, with what its notebook has come to. */
export interface HeldKernel {
  /** Of the executions that may go on in it, see {@link keyOf}. */
  readonly key: string;
  readonly helper: NotebookHelper;
  readonly notebook: NotebookDocument;
  /** The cell that failed. */
  readonly cell: number;
  readonly attempt: number;
}

/** Each holds what the notebook has in memory, so few are held, and not for long. */
const MOST = 2;
const HOLD_MS = 5 * 60_000;

/** Keeps kernels of failed attempts, with their work folders, for a retry on this worker. */
export class HeldKernels {
  readonly #ground: WarmGround;
  /** By work folder, in the order in which they were held. */
  readonly #held = new Map<string, HeldKernel>();
  readonly #taken = new Map<string, HeldKernel>();
  readonly #timers = new Map<string, NodeJS.Timeout>();

  constructor(ground: WarmGround) {
    this.#ground = ground;
  }

  /** Keeps one; the oldest goes when there are too many. */
  hold(kernel: HeldKernel): void {
    const { workdir, exited } = kernel.helper;
    this.#held.set(workdir, kernel);
    const timer = setTimeout(() => void this.#drop(workdir), HOLD_MS);
    timer.unref();
    this.#timers.set(workdir, timer);
    void exited.then(() => this.#drop(workdir));
    const [oldest] = this.#held.keys();
    if (this.#held.size > MOST && oldest !== undefined) void this.#drop(oldest);
  }

  /** The work folder of the kernel in which this retry can go on. */
  take(key: string, attempt: number): string | undefined {
    const found = [...this.#held].find(([, held]) => held.key === key && held.attempt < attempt);
    if (!found) return undefined;
    const [workdir, kernel] = found;
    this.#forget(workdir);
    this.#taken.set(workdir, kernel);
    return workdir;
  }

  /** The kernel in a folder that was taken. Once. */
  claim(workdir: string): HeldKernel | undefined {
    const kernel = this.#taken.get(workdir);
    this.#taken.delete(workdir);
    return kernel;
  }

  /** Whether a kernel is held in this folder. */
  has(workdir: string): boolean {
    return this.#held.has(workdir);
  }

  /** Ends all of them. */
  async close(): Promise<void> {
    await Promise.all([...this.#taken.values()].map(({ helper }) => helper.kill()));
    await Promise.all([...this.#held.keys()].map((workdir) => this.#drop(workdir)));
  }

  async #drop(workdir: string): Promise<void> {
    const kernel = this.#held.get(workdir);
    if (!kernel) return;
    this.#forget(workdir);
    await kernel.helper.kill();
    // a folder that cannot be removed now is swept when the next worker starts
    await this.#ground.removeWorkdir(workdir).catch(() => undefined);
  }

  #forget(workdir: string): void {
    this.#held.delete(workdir);
    clearTimeout(this.#timers.get(workdir));
    this.#timers.delete(workdir);
  }
}

/**
 * Names the executions that are the same but for the attempt. Items of a `forEach` with equal inputs share it, and may
 * stand in for each other: all that came before the failed cell was the same.
 */
export function keyOf(
  config: NotebookConfig,
  { runId, stepId }: Pick<UpcomingExecution, "runId" | "stepId">,
  input: JsonObject,
): string {
  const hash = createHash("sha256")
    .update(JSON.stringify([config, input]))
    .digest("hex");
  return `${runId} ${stepId} ${hash}`;
}
