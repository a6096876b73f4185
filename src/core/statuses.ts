/** Every status of a run. The last three are terminal and never change. */
export const RUN_STATUSES = ["queued", "running", "waiting", "succeeded", "failed", "canceled"] as const;
export type RunStatus = (typeof RUN_STATUSES)[number];

/** Every status of a step run. The last four are terminal. */
export const STEP_STATUSES = [
  "pending",
  "queued",
  "running",
  "waiting",
  "succeeded",
  "failed",
  "skipped",
  "canceled",
] as const;
export type StepStatus = (typeof STEP_STATUSES)[number];

/** How a run came to be. */
export const RUN_TRIGGERS = ["api", "schedule", "webhook", "manual", "test", "workflow", "mcp"] as const;
export type RunTrigger = (typeof RUN_TRIGGERS)[number];

/** Codes of a failed run or step run. */
export const RUN_ERROR_CODES = [
  "script_error",
  "timeout",
  "out_of_memory",
  "canceled",
  "worker_lost",
  "invalid_output",
  "invalid_input",
  "dependency_failed",
  "upstream_error",
  "rejected",
  "internal",
] as const;
export type RunErrorCode = (typeof RUN_ERROR_CODES)[number];

/** Why a run or a step run did not succeed. */
export interface RunError {
  readonly code: RunErrorCode;
  readonly message: string;
  readonly stepId?: string;
  readonly attempt?: number;
  readonly details?: unknown;
}

/** Whether a run with this status has ended. */
export function isRunTerminal(status: RunStatus): boolean {
  return status === "succeeded" || status === "failed" || status === "canceled";
}

/** Whether a step run with this status has ended. */
export function isStepTerminal(status: StepStatus): boolean {
  return status === "succeeded" || status === "failed" || status === "skipped" || status === "canceled";
}
