import type { Knex } from "knex";
import { measureThroughput } from "../measure.js";
import { WORKLOADS } from "../workloads.js";
import { type GrowthStage, withInstallation } from "./installation.js";

/** Size in PostgreSQL, by workload. */
export type DiskFigures = Readonly<Record<string, DiskFigure>>;

/** What the runs of one workload leave behind. */
export interface DiskFigure {
  readonly runs: number;
  /** Tables and indexes, bytes for a thousand runs. */
  readonly bytesPer1000Runs: number;
  /** The same by table. */
  readonly bytesPer1000RunsByTable: Readonly<Record<string, number>>;
  /** Written to the write-ahead log, bytes for each run: what replicas and backups carry. */
  readonly walBytesPerRun: number;
}

/** Runs every workload on a database of its own for a while. */
export async function measureDisk(stage: GrowthStage): Promise<DiskFigures> {
  const figures: Record<string, DiskFigure> = {};
  const load = { inFlight: 32, warmUpMs: 0, windowMs: stage.isQuick ? 3000 : 12_000, signal: stage.signal };
  for (const workload of WORKLOADS) {
    figures[workload.id] = await withInstallation(stage, "disk", async ({ driver, startWorker }) => {
      await startWorker();
      const run = () => driver.run(workload.shape);
      await run();
      const before = await readSizes(driver.knex);
      const { allRuns: runs } = await measureThroughput(run, load);
      const after = await readSizes(driver.knex);
      const grown = Object.entries(after.byTable)
        .map(([table, bytes]) => [table, ((bytes - (before.byTable[table] ?? 0)) / runs) * 1000] as const)
        .filter(([, bytes]) => bytes > 0);
      return {
        runs,
        bytesPer1000Runs: grown.reduce((sum, [, bytes]) => sum + bytes, 0),
        bytesPer1000RunsByTable: Object.fromEntries(grown.sort((one, other) => other[1] - one[1])),
        walBytesPerRun: (after.wal - before.wal) / runs,
      };
    });
  }
  return figures;
}

interface Sizes {
  readonly wal: number;
  readonly byTable: Record<string, number>;
}

/** Partitions count with their table. Statistics of the planner and the like are left out. */
async function readSizes(knex: Knex): Promise<Sizes> {
  const tables = await knex.raw<{ rows: { name: string; bytes: string }[] }>(
    `SELECT COALESCE(pg_partition_root(oid), oid)::regclass::text AS name, sum(pg_total_relation_size(oid)) AS bytes
     FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' GROUP BY 1`,
  );
  const wal = await knex.raw<{ rows: { bytes: string }[] }>(
    "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0') AS bytes",
  );
  return {
    wal: Number(wal.rows[0]?.bytes),
    byTable: Object.fromEntries(tables.rows.map(({ name, bytes }) => [name, Number(bytes)])),
  };
}
