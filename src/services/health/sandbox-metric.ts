import type { Knex } from "knex";

const LEVELS = ["namespace", "landlock", "process", "none"];

/** How many living workers run user code at each level, as Prometheus reads it. */
export async function readSandboxMetric(knex: Knex): Promise<string> {
  const rows: { sandbox_level: string; count: string }[] = await knex("workers")
    .select("sandbox_level")
    .count("* as count")
    .whereRaw("lease_until > now()")
    .groupBy("sandbox_level");
  const counts = new Map(rows.map((row) => [row.sandbox_level, row.count]));
  return [
    "# HELP headrace_sandbox_level Living workers by the level at which they isolate user code.",
    "# TYPE headrace_sandbox_level gauge",
    ...LEVELS.map((level) => `headrace_sandbox_level{level="${level}"} ${counts.get(level) ?? 0}`),
    "",
  ].join("\n");
}
