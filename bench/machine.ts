import { cpus, loadavg, totalmem, type } from "node:os";

/** What the figures were measured on. */
export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly system: string;
  readonly node: string;
  readonly redis: string;
  readonly postgres: string;
  /** Of the last minute, before the first round and after the last. */
  readonly loadBefore: number;
  readonly loadAfter: number;
}

/** The one-minute load average. */
export function readLoad(): number {
  return Math.round((loadavg()[0] ?? 0) * 100) / 100;
}

/** Describes this machine and the servers. */
export function describeMachine(known: {
  redis: string;
  postgres: string;
  loadBefore: number;
  loadAfter: number;
}): Machine {
  const processors = cpus();
  return {
    cpu: processors[0]?.model.trim() ?? "unknown",
    cores: processors.length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    system: type(),
    node: process.version,
    ...known,
  };
}
