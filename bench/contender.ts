import type { PeerName } from "./peers/peer-names.js";
import type { Shape } from "./workloads.js";

/** One of the systems that are compared. Each has this process as its driver and one worker process of its own. */
export interface Contender {
  readonly name: ContenderName;
  readonly workerPid: number;
  /** Shapes that it cannot run, or was not taught to. */
  readonly lacks?: readonly Shape["kind"][];
  /**
   * Starts one run of a shape and resolves when this process has learned of its end.
   * @throws Error when the run does not end within {@link RUN_LIMIT_MS}, or does not succeed.
   */
  run(shape: Shape): Promise<void>;
  /** Ends its worker and closes its connections. */
  close(): Promise<void>;
}

/** Names of the contenders, as in the report. */
export type ContenderName = "raw" | "headrace" | "headraceHttp" | PeerName;

/** Steps that each worker process runs at once. */
export const WORKER_CONCURRENCY = 64;

/** A run that takes longer is lost, and the benchmark with it. */
export const RUN_LIMIT_MS = 60_000;
