import type { Knex } from "knex";
import type { JsonValue } from "../../core/json.js";
import { stepAt } from "../../core/settle.js";
import type { RunError, StepStatus } from "../../core/statuses.js";
import { ExecutionError } from "../../executors/types.js";
import type { ArtifactStore } from "../artifacts/artifact-store.js";
import { toStorableOutput } from "../artifacts/storable-output.js";
import type { TransitionOutcome } from "./apply-batch.js";
import type { Engine } from "./engine.js";

/** The dependencies of joining. */
export interface ItemJoinerDeps {
  readonly knex: Knex;
  readonly engine: Engine;
  readonly artifacts: ArtifactStore;
  /** Reads an output that is too large for its row. */
  readonly readLargeOutput: (artifactId: string) => Promise<JsonValue>;
  readonly maxOutputBytes: number;
}

interface ItemRow {
  readonly item_index: number;
  readonly status: StepStatus;
  readonly output: JsonValue;
  readonly output_artifact_id: string | null;
  readonly error: RunError | null;
}

/**
 * Ends a `forEach` whose items have all ended: its output is the array of theirs, in order. A failed item (the step
 * says `onError: continue`) is kept as `{ itemIndex, error: { code, message } }`, a skipped one as null.
 * Doing it twice is harmless: the second is refused.
 */
export function createItemJoiner(deps: ItemJoinerDeps) {
  const { knex, engine } = deps;

  async function readOutput(row: ItemRow): Promise<JsonValue> {
    if (row.status === "failed") {
      const { code = "internal", message = "" } = row.error ?? {};
      return { itemIndex: row.item_index, error: { code, message } };
    }
    return row.output_artifact_id === null ? row.output : await deps.readLargeOutput(row.output_artifact_id);
  }

  async function collect(runId: string, stepIndex: number): Promise<JsonValue[]> {
    const rows: ItemRow[] = await knex("step_runs")
      .select("item_index", "status", "output", "output_artifact_id", "error")
      .where({ run_id: runId, step_index: stepIndex })
      .where("item_index", ">=", 0)
      .orderBy("item_index");
    const outputs: JsonValue[] = [];
    // one after another: large ones are read from disk, and together they may be as large as an output may be
    for (const row of rows) outputs.push(await readOutput(row));
    return outputs;
  }

  async function store(runId: string, versionId: string, stepIndex: number) {
    const { value, large } = toStorableOutput(await collect(runId, stepIndex), deps.maxOutputBytes);
    if (large === undefined) return { output: value };
    const { plan } = await engine.plans.get(versionId);
    const artifact = await deps.artifacts.saveBytes(
      { runId, stepIndex, itemIndex: -1, attempt: 1 },
      { kind: "output", name: `${stepAt(plan, stepIndex).id}.json`, contentType: "application/json" },
      Buffer.from(large),
    );
    return { output: null, outputArtifactId: artifact.id };
  }

  return async function joinItems(
    runId: string,
    versionId: string,
    stepIndex: number,
  ): Promise<TransitionOutcome> {
    const join = { kind: "join", stepIndex, itemIndex: -1 } as const;
    try {
      const stored = await store(runId, versionId, stepIndex);
      return await engine.commit.apply(runId, versionId, { ...join, ...stored });
    } catch (error) {
      if (!(error instanceof ExecutionError)) throw error;
      const fault = { code: error.code, message: error.message };
      return await engine.commit.apply(runId, versionId, { ...join, output: null, error: fault });
    }
  };
}

/** See {@link createItemJoiner}. */
export type ItemJoiner = ReturnType<typeof createItemJoiner>;
