import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { isProcessAlive, processCommandLine } from "./running-process.js";

const recordSchema = z.object({
  pid: z.int().positive(),
  port: z.int().min(1).max(65535),
  clusterFolder: z.string(),
  since: z.string(),
});

/** What `<DATA_DIR>/postgres.json` says about the embedded server; the password stands in a file of its own. */
export type PostgresRecord = z.infer<typeof recordSchema>;

/** Name of the database that Headrace uses on its embedded server. */
export const EMBEDDED_DATABASE = "headrace";

/** The record of the last start, whether the server still runs or not. */
export function readPostgresRecord(dataDir: string): PostgresRecord | undefined {
  try {
    return recordSchema.parse(JSON.parse(readFileSync(recordPath(dataDir), "utf8")));
  } catch {
    return undefined; // never started, or cut off by a crash: a start makes a new one
  }
}

/** Writes the record at once, never half. */
export function writePostgresRecord(dataDir: string, record: PostgresRecord): void {
  const building = `${recordPath(dataDir)}.${process.pid}`;
  writeFileSync(building, `${JSON.stringify(record)}\n`, { mode: 0o600 });
  renameSync(building, recordPath(dataDir));
}

/** URL of the embedded server of a data folder if it runs now, else undefined. */
export async function findEmbeddedPostgres(dataDir: string): Promise<string | undefined> {
  const record = readPostgresRecord(dataDir);
  if (!record || !(await isServerOf(record.pid, record.clusterFolder))) return undefined;
  const password = readPassword(dataDir);
  return password === undefined ? undefined : embeddedUrl(record.port, password);
}

/** Whether a process is the PostgreSQL server of this cluster, and not another that was given its old process id. */
export async function isServerOf(pid: number, clusterFolder: string): Promise<boolean> {
  if (!isProcessAlive(pid)) return false;
  const command = await processCommandLine(pid);
  return command !== undefined && command.includes("postgres") && command.includes(clusterFolder);
}

/** Connection string of the embedded server. */
export function embeddedUrl(port: number, password: string, database = EMBEDDED_DATABASE): string {
  return `postgres://headrace:${password}@127.0.0.1:${port}/${database}`;
}

/** The embedded server's password, if the data folder has one. */
export function readPassword(dataDir: string): string | undefined {
  try {
    return readFileSync(passwordPath(dataDir), "utf8").trim() || undefined;
  } catch {
    return undefined; // a new data folder
  }
}

/** File with the embedded server's password. */
export function passwordPath(dataDir: string): string {
  return join(dataDir, "postgres-password");
}

function recordPath(dataDir: string): string {
  return join(dataDir, "postgres.json");
}
