import type { Knex } from "knex";
import type { Logger } from "../../observability/logger.js";
import { createAlarms } from "./admission-alarms.js";
import { createTurnQueue, type WantedLines } from "./admission-queue.js";
import {
  clearAdmissions,
  type LineKeys,
  readLeftAdmissions,
  type StoredAdmission,
} from "./admission-statements.js";
import { takeTurn } from "./admission-turn.js";
import type { Engine } from "./engine.js";
import type { RunCloser } from "./run-closer.js";

/** The dependencies of taking turns. */
export interface AdmissionTurnDeps {
  readonly knex: Knex;
  readonly engine: Engine;
  readonly closeRun: RunCloser;
  readonly logger: Logger;
}

/** Looks that one turn takes at most: lines may be longer, and a workflow may have more of them, than one look takes on. */
const MOST_LOOKS = 50;
const MOST_LEFT = 500;
const FIRST_LINE: LineKeys = { concurrencyKey: "", rateKey: "" };

/** The turns of this process: decides who is admitted, commits that, then applies it. */
export function createAdmissionTurns(deps: AdmissionTurnDeps) {
  /** Where the next look at a workflow with very many lines goes on, so that each line has its turn. */
  const positions = new Map<string, LineKeys>();
  const alarms = createAlarms((workflowId) => void queue.want(workflowId, "all"));
  const queue = createTurnQueue(async (workflowId, lines) => {
    try {
      alarms.set(workflowId, await takeTurns(deps, positions, workflowId, lines));
    } catch (error) {
      deps.logger.warn({ err: error, workflowId }, "turn not taken, the sweep will take it");
    }
  });
  return {
    /** Resolves when a turn that began after this call is over; what goes wrong is left to the sweep. */
    want: queue.want,
    /** Wants a turn at all lines in so many milliseconds, if that is soon. */
    wake: alarms.set,
    /** Applies what a dead process has decided and not applied. */
    async applyLeft(): Promise<void> {
      await applyStored(deps, await readLeftAdmissions(deps.knex, MOST_LEFT));
    },
    /** Resolves when nothing is under way any more. */
    async close(): Promise<void> {
      await queue.close();
      alarms.clear();
    },
  };
}

/** Looks until there is nothing to decide. @returns milliseconds until the next run may be due. */
async function takeTurns(
  deps: AdmissionTurnDeps,
  positions: Map<string, LineKeys>,
  workflowId: string,
  lines: WantedLines,
): Promise<number> {
  const { knex, engine } = deps;
  let nextInMs = Number.POSITIVE_INFINITY;
  for (let look = 0; look < MOST_LOOKS; look += 1) {
    const scope = lines === "all" ? { from: positions.get(workflowId) ?? FIRST_LINE } : { lines };
    const result = await takeTurn({ knex, plans: engine.plans }, workflowId, scope);
    await Promise.all([
      applyStored(deps, result.decided),
      ...result.stopped.map(({ id, versionId, reason }) =>
        apply(deps, id, versionId, { kind: "cancel", reason, ifEnding: null }),
      ),
    ]);
    nextInMs = Math.min(nextInMs, result.nextInMs ?? Number.POSITIVE_INFINITY);
    if (result.isUnfinished) continue;
    if (lines === "all" && result.next) positions.set(workflowId, result.next);
    else if (lines === "all") positions.delete(workflowId);
    if (!result.next) break;
  }
  return nextInMs;
}

async function applyStored(deps: AdmissionTurnDeps, decided: readonly StoredAdmission[]): Promise<void> {
  if (decided.length === 0) return;
  await Promise.all(decided.map((row) => apply(deps, row.id, row.workflow_version_id, row.admission)));
  await clearAdmissions(
    deps.knex,
    decided.map((row) => row.id),
  );
}

/** Refused when another process was faster, or the run has ended: either is well. */
async function apply(
  deps: AdmissionTurnDeps,
  runId: string,
  versionId: string,
  transition: StoredAdmission["admission"],
): Promise<void> {
  const outcome = await deps.engine.commit.apply(runId, versionId, transition);
  if (outcome.isClosing) await deps.closeRun(runId, versionId);
}
