import { readdirSync, readFileSync } from "node:fs";

/** Linux counts CPU time in these. */
const TICK_MS = 10;

/** Milliseconds of CPU that a process has used so far; 0 when it is gone, or the system does not tell. */
export function readCpuMs(pid: number): number {
  const stat = readStat(pid);
  return stat ? stat.cpuTicks * TICK_MS : 0;
}

/**
 * The same for a process and its children, also those that have ended: a PostgreSQL server is one process per
 * connection.
 */
export function readTreeCpuMs(rootPid: number): number {
  const children = listChildren(rootPid);
  const ended = (readStat(rootPid)?.endedChildrenTicks ?? 0) * TICK_MS;
  return [rootPid, ...children].reduce((sum, pid) => sum + readCpuMs(pid), ended);
}

/** The processes that a process has started and that live. */
export function listChildren(parentPid: number): number[] {
  return listPids().filter((pid) => readStat(pid)?.parentPid === parentPid);
}

/** Milliseconds of CPU by part of a contender. */
export interface CpuByPart {
  readonly driver: number;
  readonly worker: number;
  readonly redis: number;
  readonly postgres: number;
}

/** The servers whose CPU is looked at; PostgreSQL's is known only when it is our own. */
export interface ServerPids {
  readonly redis: number;
  readonly postgres: number | undefined;
}

/** CPU that this process, a contender's worker and the servers have used so far. */
export function readCpuByPart(workerPid: number, servers: ServerPids): CpuByPart {
  return {
    driver: readCpuMs(process.pid),
    worker: readCpuMs(workerPid),
    redis: readCpuMs(servers.redis),
    postgres: servers.postgres === undefined ? 0 : readTreeCpuMs(servers.postgres),
  };
}

/** What was used between two readings, by run. */
export function cpuPerRun(before: CpuByPart, after: CpuByPart, runs: number): CpuByPart {
  return {
    driver: (after.driver - before.driver) / runs,
    worker: (after.worker - before.worker) / runs,
    redis: (after.redis - before.redis) / runs,
    postgres: (after.postgres - before.postgres) / runs,
  };
}

/** All parts together. */
export function totalCpu(cpu: CpuByPart): number {
  return cpu.driver + cpu.worker + cpu.redis + cpu.postgres;
}

function listPids(): number[] {
  try {
    return readdirSync("/proc").map(Number).filter(Number.isInteger);
  } catch {
    return []; // a system without /proc
  }
}

interface Stat {
  readonly parentPid: number;
  readonly cpuTicks: number;
  readonly endedChildrenTicks: number;
}

function readStat(pid: number): Stat | undefined {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, "utf8");
  } catch {
    return undefined; // gone meanwhile
  }
  // the name in brackets may itself hold spaces
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  const ticks = fields.slice(11, 15).map(Number);
  return {
    parentPid: Number(fields[1]),
    cpuTicks: (ticks[0] ?? 0) + (ticks[1] ?? 0),
    endedChildrenTicks: (ticks[2] ?? 0) + (ticks[3] ?? 0),
  };
}
