import type { Knex } from "knex";
import type { Run, RunGraph, RunLogLine, RunSummary, StepRun } from "../../contracts/api/runs.js";
import { isUuid } from "../../core/ids.js";
import type { JsonValue } from "../../core/json.js";
import type { StateLetter } from "../../core/step-states.js";
import { statusOf } from "../../core/step-states.js";
import { buildPlanGraph } from "../../core/workflow-graph.js";
import { notFound } from "../../errors/app-error.js";
import type { Page, PageRequest } from "../../models/repository.js";
import type { ArtifactStore } from "../artifacts/artifact-store.js";
import type { PlanCache } from "../engine/plan-cache.js";
import { readRunUsage } from "../llm-spending/llm-usage.js";
import { listLogLines, type LogFilter } from "./list-log-lines.js";
import { listRuns, type RunFilter } from "./list-runs.js";
import { listSteps, type StepRow } from "./list-steps.js";
import {
  presentRun,
  RUN_SUMMARY_COLUMNS,
  type RunSummaryRow,
  toDurationMs,
  toInstant,
} from "./present-run.js";
import { MOST_SHOWN_BYTES, showCollectedOutput, showStoredOutput } from "./show-outputs.js";

/** What reading runs needs. */
export interface RunQueryDeps {
  readonly knex: Knex;
  /** Compiled workflow versions. */
  readonly plans: Pick<PlanCache, "get">;
  readonly artifacts: Pick<ArtifactStore, "findMany" | "readJson" | "listFilesOfRun">;
}

interface RunRow extends RunSummaryRow {
  readonly input: JsonValue;
  readonly output: JsonValue;
  readonly output_artifact_id: string | null;
}

/** Everything that is read about runs. Nothing here changes anything, and no read grows with history. */
export function createRunQueries(deps: RunQueryDeps) {
  const { knex, artifacts } = deps;

  async function assertExists(runId: string): Promise<void> {
    const row = isUuid(runId) ? await knex("workflow_runs").first("id").where("id", runId) : undefined;
    if (!row) throw notFound("Run");
  }

  return {
    /** @throws AppError NOT_FOUND */
    assertExists,

    /** Whether there is something to test. @throws AppError NOT_FOUND */
    async assertVersionExists(mcpVersionId: string): Promise<void> {
      const row = isUuid(mcpVersionId)
        ? await knex("mcp_versions").first("id").where("id", mcpVersionId)
        : undefined;
      if (!row) throw notFound("MCP version");
    },

    /** One page, newest first. @throws AppError INVALID_FIELDS for a foreign cursor. */
    async list(filter: RunFilter, page: PageRequest): Promise<Page<RunSummary>> {
      return await listRuns(knex, filter, page);
    },

    /** One run with its input and output; an output above 10 MiB is named, not shown. @throws AppError NOT_FOUND */
    async get(runId: string): Promise<Run> {
      const row = (
        isUuid(runId)
          ? await knex("workflow_runs")
              .first(...RUN_SUMMARY_COLUMNS, "input", "output", "output_artifact_id")
              .where("id", runId)
          : undefined
      ) as RunRow | undefined;
      if (!row) throw notFound("Run");
      const budget = { bytesLeft: MOST_SHOWN_BYTES };
      const shown = row.output_artifact_id
        ? await showStoredOutput(artifacts, row.output_artifact_id, budget)
        : { output: await showCollectedOutput(artifacts, row.id, row.output, budget) };
      // what has not begun has spent nothing: the answer to a start is spared a query
      return presentRun(row, shown, row.started_at === null ? undefined : await readRunUsage(knex, row.id));
    },

    /** Every step run in the order of the definition. @throws AppError NOT_FOUND */
    async steps(runId: string, page: PageRequest): Promise<Page<StepRun>> {
      return await listSteps(deps, runId, page);
    },

    /** Log lines, oldest first; none for an unknown step. @throws AppError INVALID_FIELDS for a foreign cursor. */
    async logs(runId: string, filter: LogFilter, page: PageRequest): Promise<Page<RunLogLine>> {
      return await listLogLines(knex, runId, filter, page);
    },

    /** The workflow's graph as it was when the run began, with the state of each node. @throws AppError NOT_FOUND */
    async graph(runId: string): Promise<RunGraph> {
      const run = await knex("workflow_runs").first("workflow_version_id", "step_states").where("id", runId);
      if (!run) throw notFound("Run");
      const [version, rows] = await Promise.all([
        deps.plans.get(run.workflow_version_id as string),
        knex("step_runs")
          .select("step_index", "attempt", "queued_at", "started_at", "finished_at", "error")
          .where({ run_id: runId, item_index: -1 }) as Promise<StepRow[]>,
      ]);
      const rowByIndex = new Map(rows.map((row) => [row.step_index, row]));
      const graph = buildPlanGraph(version.plan);
      const letters = run.step_states as string;
      return {
        nodes: graph.nodes.map((node, index) => ({
          ...node,
          data: { ...node.data, ...presentState(letters[index] as StateLetter, rowByIndex.get(index)) },
        })),
        edges: graph.edges.map((edge) => ({ ...edge })),
      };
    },
  };
}

/** See {@link createRunQueries}. */
export type RunQueries = ReturnType<typeof createRunQueries>;

function presentState(letter: StateLetter, row: StepRow | undefined) {
  return {
    status: statusOf(letter),
    attempt: row?.attempt ?? null,
    startedAt: toInstant(row?.started_at ?? null),
    finishedAt: toInstant(row?.finished_at ?? null),
    durationMs: toDurationMs(row?.started_at ?? null, row?.finished_at ?? null),
    error: row?.error ?? null,
  };
}
