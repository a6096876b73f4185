import type { Knex } from "knex";
import type { WaitingFor } from "../../contracts/api/runs.js";
import type { RunPlan } from "../../core/plan.js";
import { isRunTerminal, type RunStatus } from "../../core/statuses.js";
import { readSlots, readWindows } from "../engine/admission-statements.js";
import type { PlanCache } from "../engine/plan-cache.js";
import { type FullThrottle, type LiveWorker, MOST_NAMED, type WaitingWorld } from "./explain-waiting.js";

/** What a run's row says of its waiting. */
export interface WaitingRun {
  readonly workflow_id: string | null;
  readonly workflow_version_id: string;
  readonly status: RunStatus;
  readonly step_states: string;
  readonly created_at: Date;
  readonly available_at: Date;
  readonly is_delayed: boolean;
  readonly admitted_at: Date | null;
  readonly concurrency_key: string | null;
  readonly rate_key: string | null;
}

/** The columns of {@link WaitingRun}. */
export function waitingRunColumns(knex: Knex) {
  return [
    "workflow_id",
    "workflow_version_id",
    "status",
    "step_states",
    "created_at",
    "available_at",
    knex.raw("available_at > now() AS is_delayed"),
    "admitted_at",
    "concurrency_key",
    "rate_key",
  ];
}

/**
 * What the reasons for waiting are judged on; undefined when the run has ended and nothing waits.
 * @param queuedIndices the steps that are queued, by their place in the plan.
 */
export async function readWaitingWorld(
  deps: { readonly knex: Knex; readonly plans: Pick<PlanCache, "get"> },
  run: WaitingRun,
  queuedIndices: ReadonlySet<number>,
): Promise<WaitingWorld | undefined> {
  if (isRunTerminal(run.status)) return undefined;
  const { knex } = deps;
  const { plan } = await deps.plans.get(run.workflow_version_id);
  const [workers, held, throttles] = await Promise.all([
    knex("workers").select("groups", "concurrency", "running").whereRaw("lease_until > now()"),
    run.admitted_at === null ? readHeld(knex, run, plan) : undefined,
    readThrottles(knex, plan, queuedIndices),
  ]);
  return {
    plan,
    stepStates: run.step_states,
    runCreatedAt: run.created_at,
    workers: workers as LiveWorker[],
    held,
    throttles,
  };
}

/** Everything that a held run waits for. */
async function readHeld(knex: Knex, run: WaitingRun, plan: RunPlan): Promise<WaitingFor[]> {
  const { workflow_id: workflowId } = run;
  const since = run.created_at.toISOString();
  const reasons: (WaitingFor | undefined)[] = [];
  if (workflowId !== null) {
    reasons.push(
      ...(await Promise.all([
        readPause(knex, workflowId, run.created_at),
        readRate(knex, workflowId, run, plan),
        readConcurrency(knex, workflowId, run, plan),
      ])),
    );
  }
  if (run.is_delayed) {
    const until = run.available_at.toISOString();
    reasons.push({ reason: "delay", detail: `the run was delayed until ${until}`, since, until });
  }
  const given = reasons.filter((reason) => reason !== undefined);
  return given.length > 0 ? given : [{ reason: "queue", detail: "about to be admitted", since }];
}

async function readPause(knex: Knex, workflowId: string, createdAt: Date): Promise<WaitingFor | undefined> {
  const workflow = await knex("workflow_definitions").first("name", "paused_at").where("id", workflowId);
  if (!workflow?.paused_at) return undefined;
  const since = Math.max((workflow.paused_at as Date).getTime(), createdAt.getTime());
  const detail = `the workflow ${workflow.name} is paused`;
  return { reason: "paused", detail, since: new Date(since).toISOString() };
}

async function readRate(
  knex: Knex,
  workflowId: string,
  run: WaitingRun,
  plan: RunPlan,
): Promise<WaitingFor | undefined> {
  const key = run.rate_key;
  if (!plan.rateLimit || key === null) return undefined;
  const { limit, seconds } = plan.rateLimit;
  const [window] = await readWindows(knex, workflowId, [{ limit, seconds, rateKey: key }]);
  if (!window?.freeAt || window.used < limit) return undefined;
  const until = window.freeAt.toISOString();
  const detail = `${limit} runs in ${seconds} s may begin${named(key)}, the next at ${until}`;
  return { reason: "rate_limit", detail, since: run.created_at.toISOString(), until, key, limit, seconds };
}

async function readConcurrency(
  knex: Knex,
  workflowId: string,
  run: WaitingRun,
  plan: RunPlan,
): Promise<WaitingFor | undefined> {
  const key = run.concurrency_key;
  if (!plan.concurrency || key === null) return undefined;
  const { limit } = plan.concurrency;
  const slots = (await readSlots(knex, workflowId, [key])).get(key);
  if (!slots || slots.taken < limit) return undefined;
  const runIds = slots.holders.slice(0, MOST_NAMED).map((holder) => holder.id);
  const more = slots.taken > runIds.length ? ` and ${slots.taken - runIds.length} more` : "";
  const by = runIds.length > 0 ? `, held by ${runIds.join(", ")}${more}` : "";
  const detail = `${limit === 1 ? "one run" : `${limit} runs`} at once${named(key)}${by}`;
  return { reason: "concurrency", detail, since: run.created_at.toISOString(), key, limit, runIds };
}

function named(key: string): string {
  return key === "" ? "" : ` with the key ${JSON.stringify(key)}`;
}

/** The components of queued steps whose throttle is full; one read, and none where no component is queued. */
async function readThrottles(
  knex: Knex,
  plan: RunPlan,
  queuedIndices: ReadonlySet<number>,
): Promise<Map<string, FullThrottle>> {
  const versionIds = new Set<string>();
  for (const index of queuedIndices) {
    const target = plan.steps[index]?.target;
    if (target?.kind === "mcp") versionIds.add(target.mcpVersionId);
  }
  if (versionIds.size === 0) return new Map();
  const { rows } = await knex.raw<{ rows: (FullThrottle & { id: string; used: number })[] }>(
    `SELECT version.id, throttle.most AS "limit", throttle.seconds, lately.used,
       lately.oldest + make_interval(secs => throttle.seconds) AS until
     FROM mcp_versions AS version
     JOIN mcp_definitions AS definition ON definition.id = version.mcp_definition_id
     CROSS JOIN LATERAL (
       SELECT (definition.rate_limit ->> 'limit')::int AS most, (definition.rate_limit ->> 'seconds')::float8 AS seconds
     ) AS throttle
     CROSS JOIN LATERAL (
       SELECT count(*)::int AS used, min(granted_at) AS oldest FROM (
         SELECT granted_at FROM step_grants
         WHERE mcp_definition_id = definition.id AND granted_at > now() - make_interval(secs => throttle.seconds)
         ORDER BY granted_at DESC LIMIT throttle.most
       ) AS newest
     ) AS lately
     WHERE version.id = ANY (?::uuid[]) AND definition.rate_limit IS NOT NULL`,
    [[...versionIds]],
  );
  const full = rows.filter((row) => row.used >= row.limit);
  return new Map(full.map(({ id, limit, seconds, until }) => [id, { limit, seconds, until }]));
}
