import type { Knex } from "knex";
import type { Actor } from "../../core/actor.js";
import { isUuid, newId } from "../../core/ids.js";
import type { JsonObject } from "../../core/json.js";
import { canActor } from "../access/assert-can.js";
import type { RunPlan } from "../../core/plan.js";
import { AppError, conflict, notFound } from "../../errors/app-error.js";
import type { RunnableLookup } from "./runnable-lookup.js";
import { linkMcps } from "./store-version.js";

/** A workflow version that a run can be started from. Its plan is read by id, and kept, by the engine. */
export interface RunnableVersion {
  /** Null for the version behind a component's test runs. */
  readonly workflowId: string | null;
  readonly versionId: string;
  readonly name: string;
  readonly version: number;
  /** JSON Schema of the input, if there is one. */
  readonly inputSchema: JsonObject | null;
  /** New runs of the workflow are held. */
  readonly isPaused: boolean;
}

/**
 * The version that a run takes: the named one, or the published one. No definition is read.
 * @throws AppError NOT_FOUND for an unknown workflow or version; FORBIDDEN for a draft that the actor may not
 * run; CONFLICT when no version is published and none is named.
 */
export async function resolveRunnable(
  lookUp: RunnableLookup,
  nameOrId: string,
  version: number | undefined,
  actor: Actor,
): Promise<RunnableVersion> {
  const row = await lookUp(nameOrId, version);
  if (!row) throw notFound("Workflow");
  if (row.versionId === null || row.version === null) {
    if (version !== undefined) throw notFound("Workflow version");
    throw conflict(`${row.name} has no published version`);
  }
  if (row.publishedAt === null && !canActor(actor, "definition:write")) {
    throw new AppError("FORBIDDEN", "Only who may change workflows may run a draft");
  }
  const { workflowId, versionId, name, inputSchema, isPaused } = row;
  return { workflowId, versionId, name, version: row.version, inputSchema, isPaused };
}

interface TestedRow {
  readonly id: string;
  readonly version: string;
  readonly inputSchema: JsonObject | null;
  readonly name: string;
  readonly mcpType: string;
  readonly versionId: string | null;
}

/**
 * The version behind test runs of a component version: one step, whose input is the run's whole input. Made on
 * first use; two first uses at once share it.
 * @throws AppError NOT_FOUND
 */
export async function ensureTestVersion(
  deps: { readonly knex: Knex },
  mcpVersionId: string,
): Promise<RunnableVersion> {
  const tested = await findTested(deps.knex, mcpVersionId);
  const versionId = tested.versionId ?? (await makeTestVersion(deps.knex, tested));
  const { name, inputSchema } = tested;
  return { workflowId: null, versionId, name, version: 1, inputSchema, isPaused: false };
}

async function findTested(knex: Knex, mcpVersionId: string): Promise<TestedRow> {
  if (!isUuid(mcpVersionId)) throw notFound("MCP version");
  const { rows } = (await knex.raw(
    `SELECT mcp.id, mcp.version, mcp.input_schema AS "inputSchema", definition.name,
       definition.mcp_type AS "mcpType", tested.id AS "versionId"
     FROM mcp_versions AS mcp
     JOIN mcp_definitions AS definition ON definition.id = mcp.mcp_definition_id
     LEFT JOIN workflow_versions AS tested ON tested.tested_mcp_version_id = mcp.id
     WHERE mcp.id = ?`,
    [mcpVersionId],
  )) as { rows: TestedRow[] };
  const [row] = rows;
  if (!row) throw notFound("MCP version");
  return row;
}

async function makeTestVersion(knex: Knex, tested: TestedRow): Promise<string> {
  const definition = {
    ...(tested.inputSchema ? { inputs: tested.inputSchema } : {}),
    steps: [{ id: "test", uses: `mcp:${tested.name}@${tested.version}` }],
  };
  return await knex.transaction(async (trx) => {
    const { rows: made } = (await trx.raw(
      `INSERT INTO workflow_versions (id, tested_mcp_version_id, name, version, definition, plan, published_at)
       VALUES (?, ?, ?, 1, ?::jsonb, ?::jsonb, now())
       ON CONFLICT (tested_mcp_version_id) DO NOTHING RETURNING id`,
      [newId(), tested.id, tested.name, JSON.stringify(definition), JSON.stringify(testPlan(tested))],
    )) as { rows: { id: string }[] };
    if (made[0]) {
      await linkMcps(trx, made[0].id, [tested.id]);
      return made[0].id;
    }
    const other = (await trx("workflow_versions").first("id").where("tested_mcp_version_id", tested.id)) as
      | { id: string }
      | undefined;
    if (!other) throw notFound("MCP version");
    return other.id;
  });
}

function testPlan({ id, name, version, mcpType }: TestedRow): RunPlan {
  return {
    steps: [
      {
        id: "test",
        index: 0,
        target: { kind: "mcp", mcpVersionId: id, name, version, mcpType },
        inputs: {},
        wholeInput: true,
        dependencies: [],
        dependants: [],
        runAfter: "allSucceeded",
        retry: { maxAttempts: 1, backoff: "fixed", delaySeconds: 0, maxDelaySeconds: 0, jitter: false },
        onError: "fail",
        workerGroup: "default",
        priority: 0,
      },
    ],
  };
}
