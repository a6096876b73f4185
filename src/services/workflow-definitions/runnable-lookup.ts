import type { Knex } from "knex";
import { isUuid } from "../../core/ids.js";
import type { JsonObject } from "../../core/json.js";
import { toError } from "../../errors/app-error.js";

/** A workflow and the version that was asked for, or else its published one. */
export interface RunnableRow {
  readonly workflowId: string;
  readonly publishedVersion: number | null;
  readonly versionId: string | null;
  readonly name: string;
  readonly version: number | null;
  readonly publishedAt: Date | null;
  readonly inputSchema: JsonObject | null;
  readonly isPaused: boolean;
}

interface Wanted {
  readonly nameOrId: string;
  readonly version: number | undefined;
  resolve(row: RunnableRow | undefined): void;
  reject(error: Error): void;
}

const MOST_PER_QUERY = 200;

/**
 * Looks up what runs are to be started from. Look-ups that come in while one is under way form the next query: alone it
 * is one query, and a burst of starts costs the database one for all of them. Nothing is kept: a publication counts for
 * every look-up that begins after it.
 */
export function createRunnableLookup(knex: Knex) {
  let waiting: Wanted[] = [];
  let isBusy = false;

  async function query(batch: readonly Wanted[]): Promise<void> {
    try {
      const rows = await readRunnables(knex, batch);
      batch.forEach((wanted, index) => wanted.resolve(rows.get(index)));
    } catch (error) {
      for (const wanted of batch) wanted.reject(toError(error));
    }
  }

  async function drain(): Promise<void> {
    isBusy = true;
    while (waiting.length > 0) {
      const batch = waiting.slice(0, MOST_PER_QUERY);
      waiting = waiting.slice(batch.length);
      await query(batch);
    }
    isBusy = false;
  }

  /** Undefined when there is no such workflow. */
  return function lookUp(nameOrId: string, version: number | undefined): Promise<RunnableRow | undefined> {
    return new Promise((resolve, reject) => {
      waiting.push({ nameOrId, version, resolve, reject });
      if (!isBusy) void drain();
    });
  };
}

/** See {@link createRunnableLookup}. */
export type RunnableLookup = ReturnType<typeof createRunnableLookup>;

async function readRunnables(knex: Knex, batch: readonly Wanted[]): Promise<Map<number, RunnableRow>> {
  const ids = batch.map(({ nameOrId }) => (isUuid(nameOrId) ? nameOrId : null));
  const names = batch.map(({ nameOrId }) => (isUuid(nameOrId) ? null : nameOrId));
  const { rows } = await knex.raw<{ rows: (RunnableRow & { place: string })[] }>(
    `SELECT wanted.place, workflow.id AS "workflowId", workflow.name,
       workflow.published_version AS "publishedVersion", version.id AS "versionId", version.version,
       version.published_at AS "publishedAt", version.definition -> 'inputs' AS "inputSchema",
       workflow.paused_at IS NOT NULL AS "isPaused"
     FROM unnest(?::uuid[], ?::text[], ?::int[]) WITH ORDINALITY AS wanted (id, name, version, place)
     JOIN LATERAL (
       SELECT * FROM workflow_definitions WHERE id = wanted.id
       UNION ALL SELECT * FROM workflow_definitions WHERE name = wanted.name
     ) AS workflow ON true
     LEFT JOIN workflow_versions AS version ON version.workflow_definition_id = workflow.id
       AND version.version = coalesce(wanted.version, workflow.published_version)`,
    [ids, names, batch.map(({ version }) => version ?? null)] as unknown as Knex.RawBinding[],
  );
  return new Map(rows.map(({ place, ...row }) => [Number(place) - 1, row]));
}
