import { cpus, totalmem } from "node:os";
import { PROMISES, type Promised } from "./chaos-verdict.js";
import type { ChaosResult } from "./run-chaos.js";

const NAMES = {
  killWorker: "worker, SIGKILL",
  pauseWorker: "worker, SIGSTOP beyond its lease, then SIGCONT",
  drainWorker: "worker, SIGTERM",
  killApi: "API, SIGKILL in mid-request",
  killScheduler: "scheduler, SIGKILL",
  flushRedis: "Redis, FLUSHALL",
  killRedis: "Redis, SIGKILL and started again empty",
  silenceRedis: "Redis, open connections silent without an end",
  restartPostgres: "PostgreSQL, stopped with -m immediate and started again",
} as const;
/** Faults of one promise that are shown. */
const MOST_SHOWN = 10;
const promises = Object.keys(PROMISES) as Promised[];

/** Whether every promise was kept. */
export function hasHeld({ verdict }: ChaosResult): boolean {
  return promises.every((promise) => verdict.faults[promise].length === 0);
}

/** The report for a terminal. */
export function toText(result: ChaosResult): string {
  const { verdict, backend, seed, counts } = result;
  const lines = promises.flatMap((promise) => {
    const faults = verdict.faults[promise];
    const shown = faults.slice(0, MOST_SHOWN).map((fault) => `        ${fault}`);
    return [`${String(faults.length).padStart(5)}  ${PROMISES[promise]}`, ...shown];
  });
  const facts = [
    `${counts.started} starts, ${counts.runs} runs (${describeCounts(counts.byStatus)}), ${counts.steps} step runs`,
    `${counts.executions} executions seen from outside, ${counts.events} events`,
    `${counts.followers} followers with ${counts.reconnects} reconnects, ${counts.repeatedRequests} requests repeated`,
    `${counts.canceled} cancels, ${counts.reruns} reruns, ${verdict.givenUp} runs gave up after two or three lost workers`,
    `${verdict.lostClaims} executions whose claim was lost with PostgreSQL's memory`,
    `${result.faultSeconds.toFixed(0)} s of faults, ${result.seconds.toFixed(0)} s in all`,
    ...result.recovery.map(
      ({ kind, count, medianSeconds, mostSeconds }) =>
        `${String(count).padStart(4)} × ${NAMES[kind]}: went on after ${seconds(medianSeconds)} (${seconds(mostSeconds)} at most)`,
    ),
    ...result.gaveUp,
  ];
  const end = hasHeld(result) ? "Every promise was kept." : "Promises were broken.";
  const again = `Again: npm run test:chaos -- --backend ${backend} --seed ${seed} --runs ${counts.started}`;
  return [...facts, "", ...lines, "", `${end} ${again}`].join("\n");
}

/** The report as a page. */
export function toMarkdown(results: readonly ChaosResult[], now: Date): string {
  const [cpu] = cpus();
  const machine = `${cpus().length} × ${cpu?.model.trim() ?? "?"}, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.versions.node}`;
  const head = `# Chaos

Written by \`npm run test:chaos\` on ${now.toISOString().slice(0, 10)} (${machine}). An installation of its own – PostgreSQL,
Redis, API, scheduler, three workers – runs chains, diamonds, fan-outs, random graphs, \`forEach\`, sub-workflows, approvals,
waits, retries, scripts, failing steps with \`onFailure\` and \`finally\`, and limited workflows; clients repeat their requests,
cancel, decide, rerun, and follow streams that they drop. Meanwhile processes and servers are killed. What has been executed
is counted outside of the database. Every line of the second table has to be 0; the suite's exit code says so.
`;
  return `${head}\n${results.map(toSection).join("\n")}`;
}

function toSection(result: ChaosResult): string {
  const { backend, seed, counts, verdict } = result;
  const name = backend === "redis" ? "Redis" : "PostgreSQL";
  const blows = result.recovery.map(
    ({ kind, count, medianSeconds, mostSeconds }) =>
      `| ${NAMES[kind]} | ${count} | ${seconds(medianSeconds)} | ${seconds(mostSeconds)} |`,
  );
  const faults = promises.map((promise) => `| ${PROMISES[promise]} | ${verdict.faults[promise].length} |`);
  return `## Queues on ${name}
\`npm run test:chaos -- --backend ${backend} --seed ${seed} --runs ${counts.started}\`: ${counts.started} starts made
${counts.runs} runs (${describeCounts(counts.byStatus)}) with ${counts.steps} step runs and ${counts.events} events;
${counts.executions} executions were seen. ${counts.canceled} cancels, ${counts.reruns} reruns, ${counts.followers} followers who
reconnected ${counts.reconnects} times, ${counts.repeatedRequests} requests that had to be repeated. ${result.faultSeconds.toFixed(0)} s of
faults, ${result.seconds.toFixed(0)} s in all. ${verdict.givenUp} runs failed as they should: two or three workers had died under one of
their steps. ${verdict.lostClaims} executions began on a claim that PostgreSQL had not on disk when it died; none of their results
counted. ${result.gaveUp.length} processes ended without being struck.

| struck | times | went on after (median) | at most |
| --- | --- | --- | --- |
${blows.join("\n")}

| promise | broken |
| --- | --- |
${faults.join("\n")}
`;
}

function describeCounts(counts: Readonly<Record<string, number>>): string {
  return Object.entries(counts)
    .map(([name, count]) => `${count} ${name}`)
    .join(", ");
}

function seconds(value: number | undefined): string {
  return value === undefined ? "–" : `${value.toFixed(1)} s`;
}
