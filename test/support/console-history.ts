import type { Knex } from "knex";
import { firstIdAt, newId } from "../../src/core/ids.js";
import { rollRunStats } from "../../src/services/run-stats/roll-run-stats.js";

const HOUR_MS = 3_600_000;

/** Copies runs that have ended into the day before now, busier by day than by night, so that charts have something to show. */
export async function addHistory(knex: Knex): Promise<void> {
  const ended = (await knex("workflow_runs")
    .whereIn("status", ["succeeded", "failed"])
    .select("id", "status")) as { id: string; status: string }[];
  const good = ended.filter(({ status }) => status === "succeeded");
  const bad = ended.find(({ status }) => status === "failed");
  let copied = 0;
  for (let halfHour = 1; halfHour < 48; halfHour += 1) {
    const load = 6 + Math.round(5 * Math.sin(halfHour / 7) + 3 * Math.sin(halfHour * 1.7));
    for (let index = 0; index < load; index += 1) {
      const isBad = bad !== undefined && (halfHour * 7 + index * 3) % 19 === 0;
      const from = isBad ? bad : good[(halfHour + index) % good.length];
      if (!from) continue;
      const at = Date.now() - halfHour * (HOUR_MS / 2) - index * 97_000;
      const tookMs = 1200 + ((halfHour * 377 + index * 911) % 5200) + (halfHour % 11 === 0 ? 6000 : 0);
      await copyRun(knex, from.id, { at, waitedMs: 200 + (index % 4) * 150, tookMs });
      copied += 1;
    }
  }
  if (copied === 0) throw new Error("no run has ended: there is nothing to copy");
  await countAnew(knex);
}

/** Statistics have gone past the times of what was copied: they are worked out from the beginning. */
async function countAnew(knex: Knex): Promise<void> {
  await knex.transaction(async (trx) => {
    await trx.raw("SELECT 1 FROM run_stats_state FOR UPDATE");
    await trx.raw("TRUNCATE run_stats, run_durations, run_waiting");
    await trx("run_stats_state").update({ watermark: new Date(0), waiting: 0 });
  });
  while (await rollRunStats(knex));
}

async function copyRun(
  knex: Knex,
  id: string,
  { at, waitedMs, tookMs }: { readonly at: number; readonly waitedMs: number; readonly tookMs: number },
): Promise<void> {
  const changes = {
    id: firstIdAt(new Date(at)).slice(0, 15) + newId().slice(15),
    created_at: new Date(at).toISOString(),
    started_at: new Date(at + waitedMs).toISOString(),
    finished_at: new Date(at + waitedMs + tookMs).toISOString(),
  };
  await knex.raw(
    `INSERT INTO workflow_runs SELECT (jsonb_populate_record(run, ?::jsonb)).* FROM workflow_runs AS run WHERE id = ?`,
    [JSON.stringify(changes), id],
  );
  await knex.raw(
    `INSERT INTO run_events (run_id, seq, type, at)
     SELECT id, seq, CASE seq WHEN 1 THEN 'run.queued' WHEN 2 THEN 'run.started' ELSE 'run.' || status END,
       CASE seq WHEN 1 THEN created_at WHEN 2 THEN started_at ELSE finished_at END
     FROM workflow_runs CROSS JOIN generate_series(1, 3) AS seq WHERE id = ?`,
    [changes.id],
  );
}
