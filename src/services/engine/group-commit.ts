import type { Writable } from "node:stream";
import type pg from "pg";
import type { RunPlan } from "../../core/plan.js";
import type { Transition } from "../../core/transition.js";
import { toError } from "../../errors/app-error.js";
import type { Metrics } from "../../observability/metrics.js";
import { type ChainStatement, toChainStatements } from "../audit/audit-chain.js";
import type { AuditEntry } from "../audit/audit-entry.js";
import { applyBatch, type CommittedRun, type FlushItem, type TransitionOutcome } from "./apply-batch.js";
import type { NewRun } from "./flush-batch.js";
import { loadState, NOTHING_LOADED } from "./load-state.js";
import type { PlanCache } from "./plan-cache.js";

interface Pending extends FlushItem {
  resolve(outcome: TransitionOutcome): void;
  reject(error: Error): void;
}

/** The dependencies of the group commit. */
export interface GroupCommitDeps {
  /** A pool of pipelining connections; one is in use at a time. */
  readonly pool: pg.Pool;
  readonly plans: PlanCache;
  readonly metrics: Metrics;
  /** Awaited before a transition's promise resolves, so that children join their parent before a job ends. */
  afterCommit(runs: readonly CommittedRun[]): Promise<void>;
}

const MOST_PER_FLUSH = 200;

/**
 * Group commit: transitions that arrive while a flush is under way form the next one. No timer: at low load
 * a flush holds one transition, at high load flushes grow by themselves. Each is one transaction in two
 * round trips: lock and load, then write and commit; in one, when it holds new runs alone.
 */
export function createGroupCommit(deps: GroupCommitDeps) {
  let queue: Pending[] = [];
  let flushing: Promise<void> | undefined;

  function submit(runId: string, versionId: string, work: Pending["work"]): Promise<TransitionOutcome> {
    return new Promise((resolve, reject) => {
      queue.push({ runId, versionId, work, resolve, reject });
      flushing ??= drain().finally(() => {
        flushing = undefined;
      });
    });
  }

  async function drain(): Promise<void> {
    // lets everything that is ready in this turn of the loop join the first flush
    await new Promise((resolve) => setImmediate(resolve));
    while (queue.length > 0) {
      const batch = queue.slice(0, MOST_PER_FLUSH);
      queue = queue.slice(batch.length);
      await flush(batch);
    }
  }

  async function flush(batch: readonly Pending[]): Promise<void> {
    const endTimer = deps.metrics.flushSeconds.startTimer();
    try {
      const { outcomes, committed } = await commit(deps, batch);
      // the next flush need not wait for the queue; these callers do
      void deps.afterCommit(committed).then(
        () => batch.forEach((item, index) => item.resolve(outcomes[index] as TransitionOutcome)),
        (error: unknown) => batch.forEach((item) => item.reject(toError(error))),
      );
    } catch (error) {
      await retryApart(batch, toError(error));
    } finally {
      endTimer();
      deps.metrics.flushTransitions.observe(batch.length);
    }
  }

  /** One bad transition (a value that PostgreSQL refuses) must not fail its neighbours. */
  async function retryApart(batch: readonly Pending[], error: Error): Promise<void> {
    const [only] = batch;
    if (batch.length === 1 && only) return only.reject(error);
    if (isConnectionError(error)) return batch.forEach((item) => item.reject(error));
    for (const item of batch) await flush([item]);
  }

  return {
    /**
     * Applies a transition; resolves when it is committed and what follows is enqueued.
     * @param child the run that a `call` starts: created in the same transaction, if the call is not refused.
     * @param entry recorded in the same transaction, if the transition is not refused.
     */
    apply(
      runId: string,
      versionId: string,
      transition: Transition,
      child?: NewRun,
      entry?: AuditEntry,
    ): Promise<TransitionOutcome> {
      return submit(runId, versionId, { transition, child, entry });
    },
    /** Creates a run; resolves when it is committed and its first steps are enqueued. */
    create(run: NewRun): Promise<TransitionOutcome> {
      return submit(run.id, run.versionId, { create: run });
    },
    /** Resolves when everything submitted so far is committed or refused. */
    async close(): Promise<void> {
      while (flushing) await flushing;
    },
  };
}

/** See {@link createGroupCommit}. */
export type GroupCommit = ReturnType<typeof createGroupCommit>;

/** One transaction: lock and load, judge, write and commit. */
async function commit(deps: GroupCommitDeps, batch: readonly Pending[]) {
  const plans = await loadPlans(
    deps.plans,
    batch.flatMap(({ versionId, work }) =>
      "transition" in work && work.child ? [versionId, work.child.versionId] : [versionId],
    ),
  );
  const client = await deps.pool.connect();
  try {
    const transitions = batch.flatMap(toTransition);
    const begin = () => {
      const beginning = client.query(isLight(batch) ? "BEGIN; SET LOCAL synchronous_commit = off" : "BEGIN");
      beginning.catch(() => undefined); // judged with the rest below
      return beginning;
    };
    const load = () => ({ begun: begin(), loading: loadState(client, transitions, plans) });
    // new runs have nothing to be read: all of it is one round trip
    const reading = transitions.length > 0 ? inOneWrite(client, load) : undefined;
    const applied = applyBatch(batch, (await reading?.loading) ?? NOTHING_LOADED, plans);
    const { begun, writes, end } = inOneWrite(client, () => ({
      begun: reading?.begun ?? begin(),
      writes: applied.batch
        .statements()
        // last, since the audit log's lock is held to the commit
        .concat(toAuditStatements(batch, applied.outcomes))
        .map((statement) => client.query({ ...statement, values: [...statement.values] })),
      end: client.query("COMMIT"),
    }));
    const results = await Promise.allSettled([begun, ...writes, end]);
    const failed = results.find((result) => result.status === "rejected");
    if (failed) throw failed.reason;
    if ((await end).command !== "COMMIT") throw new Error("the transaction was rolled back");
    client.release();
    return { outcomes: applied.outcomes, committed: applied.committed };
  } catch (error) {
    await rollback(client);
    throw error;
  }
}

/**
 * Claims may be lost with the server's power: the step is then still queued and is claimed again, under the same
 * number of its `step.started`. Everything else that a client may have seen is on disk before it is published.
 */
function isLight(batch: readonly Pending[]): boolean {
  return batch.every(({ work }) => "transition" in work && work.transition.kind === "claim");
}

/** What people did is in the audit log together with what it did; what was refused is recorded by whoever refuses it. */
function toAuditStatements(
  batch: readonly Pending[],
  outcomes: readonly TransitionOutcome[],
): ChainStatement[] {
  const entries = batch.flatMap(({ work }, index) => {
    const entry = "create" in work ? work.create.entry : work.entry;
    return entry && !outcomes[index]?.refusal ? [entry] : [];
  });
  return entries.length === 0 ? [] : toChainStatements(entries);
}

/** Whether the server was out of reach: then every transition of the flush fails alike, and none is to blame. */
function isConnectionError(error: Error): boolean {
  const { code } = error as { code?: string };
  if (code !== undefined) return /^(08|53|57P|E[A-Z])/.test(code);
  return /connection|terminated|timeout/i.test(error.message);
}

/** Sends pipelined queries as one write to the socket: a system call per query is what a flush would cost most. */
function inOneWrite<Result>(client: pg.PoolClient, send: () => Result): Result {
  const { stream } = (client as unknown as { connection: { stream: Writable } }).connection;
  stream.cork();
  try {
    return send();
  } finally {
    stream.uncork();
  }
}

async function rollback(client: pg.PoolClient): Promise<void> {
  try {
    await client.query("ROLLBACK");
    client.release();
  } catch (error) {
    client.release(toError(error));
  }
}

async function loadPlans(cache: PlanCache, versionIds: readonly string[]): Promise<Map<string, RunPlan>> {
  const unique = [...new Set(versionIds)];
  const versions = await Promise.all(unique.map((id) => cache.get(id)));
  return new Map(versions.map((version) => [version.id, version.plan]));
}

function toTransition({ runId, work }: Pending) {
  return "transition" in work ? [{ runId, transition: work.transition }] : [];
}
