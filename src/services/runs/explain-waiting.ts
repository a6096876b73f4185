import type { WaitingFor } from "../../contracts/api/runs.js";
import type { RunPlan } from "../../core/plan.js";
import type { StepStatus } from "../../core/statuses.js";
import { StepStates } from "../../core/step-states.js";

/** A worker that lives. */
export interface LiveWorker {
  readonly groups: readonly string[];
  readonly concurrency: number;
  readonly running: number;
}

/** A step that is not running, as its row says. */
export interface IdleStep {
  readonly stepIndex: number;
  readonly status: StepStatus;
  readonly attempt: number;
  readonly workerGroup: string;
  readonly queuedAt: Date | null;
  readonly availableAt: Date | null;
  /** By the database's clock: `availableAt` lies ahead. */
  readonly isDelayed: boolean;
  /** What the engine wrote down for a step that waits for a person or for time. */
  readonly waitingFor: readonly WaitingFor[] | null;
}

/** What the reasons are judged on. */
export interface WaitingWorld {
  readonly plan: RunPlan;
  readonly stepStates: string;
  readonly runCreatedAt: Date;
  readonly workers: readonly LiveWorker[];
}

const MOST_NAMED = 10;

/** Why a step of a live run is not running; undefined when it runs or has ended. */
export function explainWaiting(step: IdleStep, world: WaitingWorld): WaitingFor[] | undefined {
  switch (step.status) {
    case "pending":
      return [explainPending(step, world)];
    case "queued":
      return [explainQueued(step, world)];
    case "waiting":
      return [...(step.waitingFor ?? [])];
    default:
      return undefined;
  }
}

function explainPending(step: IdleStep, world: WaitingWorld): WaitingFor {
  const states = new StepStates(world.stepStates);
  const dependencies = world.plan.steps[step.stepIndex]?.dependencies ?? [];
  const open = dependencies
    .filter((index) => !states.isEnded(index))
    .map((index) => world.plan.steps[index]?.id ?? "");
  const more = open.length > MOST_NAMED ? ` and ${open.length - MOST_NAMED} more` : "";
  const detail =
    open.length > 0 ? `waits for ${open.slice(0, MOST_NAMED).join(", ")}${more}` : "about to be queued";
  return { reason: "dependency", detail, since: world.runCreatedAt.toISOString() };
}

function explainQueued(step: IdleStep, world: WaitingWorld): WaitingFor {
  const since = (step.queuedAt ?? world.runCreatedAt).toISOString();
  const until = step.availableAt?.toISOString() ?? "";
  if (step.isDelayed && step.attempt > 1) {
    return { reason: "retry", detail: `attempt ${step.attempt} starts at ${until}`, since };
  }
  if (step.isDelayed) return { reason: "delay", detail: `the run was delayed until ${until}`, since };
  const serving = world.workers.filter((worker) => worker.groups.includes(step.workerGroup));
  if (serving.length === 0) {
    return { reason: "worker", detail: `no live worker serves the group ${step.workerGroup}`, since };
  }
  const slots = serving.reduce((sum, worker) => sum + worker.concurrency, 0);
  const running = serving.reduce((sum, worker) => sum + worker.running, 0);
  if (running >= slots) {
    return {
      reason: "capacity",
      detail: `all ${slots} slots of the group ${step.workerGroup} are taken`,
      since,
    };
  }
  return { reason: "queue", detail: `next in line for the group ${step.workerGroup}`, since };
}
