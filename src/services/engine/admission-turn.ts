import type { Knex } from "knex";
import {
  type HeldLine,
  type HeldRun,
  type Judgement,
  judgeAdmission,
  windowKey,
} from "../../core/admission.js";
import type { RunPlan } from "../../core/plan.js";
import {
  type HeldRow,
  isWorkflowPaused,
  type LineKeys,
  lockAdmission,
  MOST_LINES,
  mostRunsOfLine,
  type RateQuestion,
  readHeldRuns,
  readLines,
  readSlots,
  readWindows,
  type StoredAdmission,
  storeAdmissions,
} from "./admission-statements.js";
import type { PlanCache } from "./plan-cache.js";

/** Which lines a turn looks at: some, or all from one on. */
export type TurnScope = { readonly lines: readonly LineKeys[] } | { readonly from: LineKeys };

/** What one turn decided, committed. */
export interface TurnResult {
  readonly decided: readonly StoredAdmission[];
  readonly stopped: Judgement["stopped"];
  readonly nextInMs?: number | undefined;
  readonly isUnfinished: boolean;
  /** Where the lines go on that were too many for one turn. */
  readonly next?: LineKeys | undefined;
}

const NOTHING: TurnResult = { decided: [], stopped: [], isUnfinished: false };

/**
 * One look at a workflow's held runs, in one transaction under the workflow's lock: the slots are counted from rows
 * after the lock was had, so that no two looks can give the same slot away.
 */
export async function takeTurn(
  deps: { readonly knex: Knex; readonly plans: Pick<PlanCache, "get"> },
  workflowId: string,
  scope: TurnScope,
): Promise<TurnResult> {
  return await deps.knex.transaction(async (trx) => {
    await lockAdmission(trx, workflowId);
    if (await isWorkflowPaused(trx, workflowId)) return NOTHING;
    const keys = "lines" in scope ? scope.lines : await readLines(trx, workflowId, scope.from);
    if (keys.length === 0) return NOTHING;
    const next = "from" in scope && keys.length === MOST_LINES ? keys.at(-1) : undefined;
    const rows = await readHeldRuns(trx, workflowId, keys);
    const lines = toLines(rows, await loadPlans(deps.plans, rows), mostRunsOfLine(keys.length));
    if (lines.length === 0) return { ...NOTHING, next };
    const { verdicts, ...judgement } = judgeAdmission({
      lines,
      slots: await readSlots(trx, workflowId, slotKeys(lines)),
      windows: await readWindows(trx, workflowId, rateQuestions(lines)),
    });
    const decisions = verdicts.map(({ runId, ...transition }) => ({ runId, transition }));
    const decided = decisions.length > 0 ? await storeAdmissions(trx, decisions) : [];
    return { ...judgement, decided, next };
  });
}

async function loadPlans(
  plans: Pick<PlanCache, "get">,
  rows: readonly HeldRow[],
): Promise<ReadonlyMap<string, RunPlan>> {
  const versionIds = [...new Set(rows.map((row) => row.workflow_version_id))];
  const versions = await Promise.all(versionIds.map((id) => plans.get(id)));
  return new Map(versions.map((version) => [version.id, version.plan]));
}

/** Rows come line by line, each line in its order. */
function toLines(rows: readonly HeldRow[], plans: ReadonlyMap<string, RunPlan>, most: number): HeldLine[] {
  const lines = new Map<string, { first: HeldRow; runs: HeldRun[] }>();
  for (const row of rows) {
    const name = JSON.stringify([row.concurrency_key, row.rate_key]);
    const line = lines.get(name) ?? { first: row, runs: [] };
    const plan = plans.get(row.workflow_version_id);
    line.runs.push({
      id: row.id,
      versionId: row.workflow_version_id,
      priority: row.priority,
      concurrency: plan?.concurrency,
      rateLimit: plan?.rateLimit,
    });
    lines.set(name, line);
  }
  return [...lines.values()].map(({ first, runs }) => ({
    concurrencyKey: first.concurrency_key,
    rateKey: first.rate_key,
    lastAdmittedMs: first.last_admitted_ms,
    runs,
    isCut: runs.length === most,
  }));
}

function slotKeys(lines: readonly HeldLine[]): string[] {
  const limited = lines.filter((line) => line.runs.some((run) => run.concurrency));
  return [...new Set(limited.map((line) => line.concurrencyKey))];
}

function rateQuestions(lines: readonly HeldLine[]): RateQuestion[] {
  const questions = new Map<string, RateQuestion>();
  for (const { rateKey, runs } of lines) {
    for (const { rateLimit } of runs) {
      if (rateLimit) questions.set(windowKey(rateKey, rateLimit), { ...rateLimit, rateKey });
    }
  }
  return [...questions.values()];
}
