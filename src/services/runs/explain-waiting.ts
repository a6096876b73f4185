import type { WaitingFor } from "../../contracts/api/runs.js";
import { type ApprovalState, countApprovals } from "../../core/approval.js";
import { DEFAULT_MAX_PARALLEL, phaseOf, type PlanStep, type RunPlan } from "../../core/plan.js";
import type { StepStatus } from "../../core/statuses.js";
import { StepStates } from "../../core/step-states.js";

/** A worker that lives. */
export interface LiveWorker {
  readonly groups: readonly string[];
  readonly concurrency: number;
  readonly running: number;
}

/** A step as its row says. */
export interface IdleStep {
  readonly stepIndex: number;
  readonly status: StepStatus;
  readonly attempt: number;
  readonly workerGroup: string;
  readonly queuedAt: Date | null;
  readonly availableAt: Date | null;
  readonly startedAt: Date | null;
  /** By the database's clock: `availableAt` lies ahead. */
  readonly isDelayed: boolean;
  /** What the engine wrote down for a step that waits for a person or for time. */
  readonly waitingFor: readonly WaitingFor[] | null;
  readonly approval: ApprovalState | null;
  /** Of the row that stands for a whole `forEach`. */
  readonly items: { readonly total: number; readonly queued: number; readonly ended: number } | null;
}

/** A component of which no step may start before a moment. */
export interface FullThrottle {
  readonly limit: number;
  readonly seconds: number;
  readonly until: Date;
}

/** What the reasons are judged on. */
export interface WaitingWorld {
  readonly plan: RunPlan;
  readonly stepStates: string;
  readonly runCreatedAt: Date;
  readonly workers: readonly LiveWorker[];
  /** Why the run as a whole has not begun; undefined when it has. */
  readonly held: readonly WaitingFor[] | undefined;
  /** By the id of the component's version. */
  readonly throttles: ReadonlyMap<string, FullThrottle>;
}

/** Runs and steps that one reason names. */
export const MOST_NAMED = 10;

/** Why a step of a live run is not running; undefined when it runs, with all its items, or has ended. */
export function explainWaiting(step: IdleStep, world: WaitingWorld): WaitingFor[] | undefined {
  switch (step.status) {
    case "pending":
      return explainPending(step, world);
    case "queued":
      return [explainQueued(step, world)];
    case "waiting":
      return (step.waitingFor ?? []).map((reason) => withApprovals(reason, step.approval));
    case "running":
      return explainItems(step, world);
    default:
      return undefined;
  }
}

function explainPending(step: IdleStep, world: WaitingWorld): WaitingFor[] {
  const planStep = world.plan.steps[step.stepIndex];
  const states = new StepStates(world.stepStates);
  const open = (planStep?.dependencies ?? [])
    .filter((index) => !states.isEnded(index))
    .map((index) => world.plan.steps[index]?.id ?? "");
  const isFirst = open.length === 0 && planStep !== undefined && phaseOf(planStep) === "main";
  if (isFirst && world.held) return [...world.held];
  const since = world.runCreatedAt.toISOString();
  return [
    { reason: "dependency", detail: describeOpen(open, planStep), since, steps: open.slice(0, MOST_NAMED) },
  ];
}

function describeOpen(open: readonly string[], step: PlanStep | undefined): string {
  const more = open.length > MOST_NAMED ? ` and ${open.length - MOST_NAMED} more` : "";
  if (open.length > 0) return `waits for ${open.slice(0, MOST_NAMED).join(", ")}${more}`;
  if (step?.phase === "onFailure") return "runs if the steps of the workflow fail";
  if (step?.phase === "finally") return "runs when all other steps have ended";
  return "about to be queued";
}

function explainQueued(step: IdleStep, world: WaitingWorld): WaitingFor {
  const since = (step.queuedAt ?? world.runCreatedAt).toISOString();
  if (step.isDelayed && step.availableAt) {
    const until = step.availableAt.toISOString();
    if (step.attempt > 1)
      return { reason: "retry", detail: `attempt ${step.attempt} starts at ${until}`, since, until };
    return { reason: "delay", detail: `the run was delayed until ${until}`, since, until };
  }
  const target = world.plan.steps[step.stepIndex]?.target;
  const throttle = target?.kind === "mcp" ? world.throttles.get(target.mcpVersionId) : undefined;
  if (target?.kind === "mcp" && throttle) {
    const { limit, seconds } = throttle;
    const until = throttle.until.toISOString();
    const detail = `${target.name} may start ${limit} times in ${seconds} s, the next time at ${until}`;
    return { reason: "throttle", detail, since, until, limit, seconds };
  }
  return { ...explainWorkers(step, world), since };
}

function explainWorkers({ workerGroup }: IdleStep, world: WaitingWorld): Omit<WaitingFor, "since"> {
  const serving = world.workers.filter((worker) => worker.groups.includes(workerGroup));
  if (serving.length === 0)
    return { reason: "worker", detail: `no live worker serves the group ${workerGroup}`, workerGroup };
  const slots = serving.reduce((sum, worker) => sum + worker.concurrency, 0);
  const running = serving.reduce((sum, worker) => sum + worker.running, 0);
  if (running < slots)
    return { reason: "queue", detail: `next in line for the group ${workerGroup}`, workerGroup };
  return {
    reason: "capacity",
    detail: `all ${slots} slots of the group ${workerGroup} are taken`,
    workerGroup,
  };
}

/** How many have approved is in the approval; the reason was written down before anybody had. */
function withApprovals(reason: WaitingFor, approval: ApprovalState | null): WaitingFor {
  if (!["approval", "budget"].includes(reason.reason) || !approval) return { ...reason };
  const approvals = countApprovals(approval);
  const given = approvals > 0 ? ` (${approvals} of ${approval.required} given)` : "";
  return { ...reason, detail: `${reason.detail}${given}`, approvals };
}

/** Items of a `forEach` beyond its `maxParallel` have no row yet: the row of the whole speaks for them. */
function explainItems(step: IdleStep, world: WaitingWorld): WaitingFor[] | undefined {
  const { items } = step;
  if (!items || items.queued >= items.total) return undefined;
  const limit = world.plan.steps[step.stepIndex]?.maxParallel ?? DEFAULT_MAX_PARALLEL;
  const detail = `${items.total - items.queued} of ${items.total} items wait: ${limit} run at once`;
  const since = (step.startedAt ?? step.queuedAt ?? world.runCreatedAt).toISOString();
  return [{ reason: "run_concurrency", detail, since, limit, items: { ...items } }];
}
