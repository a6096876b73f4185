import { isUuid } from "../../core/ids.js";
import { isJsonObject, type JsonObject, type JsonValue } from "../../core/json.js";
import { AppError } from "../../errors/app-error.js";
import type { ArtifactStore } from "../artifacts/artifact-store.js";
import type { ShownOutput } from "./present-run.js";

/** An output above this is shown by name. */
export const MOST_SHOWN_BYTES = 10 * 1024 * 1024;

/** How much of large outputs one answer may still take up. */
export interface OutputBudget {
  bytesLeft: number;
}

/** What of the artifact store showing outputs needs. */
export type OutputReader = Pick<ArtifactStore, "findMany" | "readJson">;

/** An output that lies in the artifact store: in place while it fits the budget, else by name. */
export async function showStoredOutput(
  store: OutputReader,
  artifactId: string,
  budget: OutputBudget,
): Promise<ShownOutput> {
  const [artifact] = await store.findMany([artifactId]);
  if (!artifact) return { output: null };
  const { id, sizeBytes } = artifact;
  const byName: ShownOutput = { output: null, outputArtifact: { id, sizeBytes } };
  if (sizeBytes > budget.bytesLeft) return byName;
  const output = await readOrUndefined(store, id);
  if (output === undefined) return byName;
  budget.bytesLeft -= sizeBytes;
  return { output };
}

/**
 * A run's collected output, in which the engine names large outputs of steps as `{ "$artifact": id }`: they are put
 * in place while they fit. Only this run's own outputs are; what else looks like such a name is a user's data.
 */
export async function showCollectedOutput(
  store: OutputReader,
  runId: string,
  output: JsonValue,
  budget: OutputBudget,
): Promise<JsonValue> {
  if (!isJsonObject(output)) return output;
  const named = Object.entries(output).flatMap(([name, value]) => {
    const id = namedArtifact(value);
    return id === undefined ? [] : [{ name, id }];
  });
  if (named.length === 0) return output;
  const rows = await store.findMany(named.map(({ id }) => id));
  const sizes = new Map(
    rows.filter((row) => row.runId === runId && row.kind === "output").map((row) => [row.id, row.sizeBytes]),
  );
  const shown: JsonObject = { ...output };
  for (const { name, id } of named) {
    const sizeBytes = sizes.get(id);
    if (sizeBytes === undefined || sizeBytes > budget.bytesLeft) continue;
    const value = await readOrUndefined(store, id);
    if (value === undefined) continue;
    budget.bytesLeft -= sizeBytes;
    shown[name] = value;
  }
  return shown;
}

function namedArtifact(value: JsonValue): string | undefined {
  if (!isJsonObject(value) || Object.keys(value).length !== 1) return undefined;
  const id = value["$artifact"];
  return typeof id === "string" && isUuid(id) ? id : undefined;
}

/** A missing or damaged file must not hide the rest of the run. */
async function readOrUndefined(store: OutputReader, id: string): Promise<JsonValue | undefined> {
  try {
    return await store.readJson(id, MOST_SHOWN_BYTES);
  } catch (error) {
    if (error instanceof AppError) return undefined;
    throw error;
  }
}
