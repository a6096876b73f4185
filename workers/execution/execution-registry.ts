import { ExecutionError } from "../../src/executors/types.js";

/** One execution under way in this worker. */
export interface Execution {
  readonly runId: string;
  /** Of a place that is held for a step to come: beyond all. */
  stepIndex: number;
  readonly token: string;
  readonly controller: AbortController;
  /** Set once the claim is committed: only then can another have taken it away. */
  isClaimed: boolean;
}

/** What a worker runs right now, by fencing token. */
export function createExecutionRegistry() {
  const executions = new Map<string, Execution>();
  const idleWaiters = new Set<() => void>();
  let isDraining = false;

  return {
    /** The worker is about to stop: nothing further is begun. */
    get isDraining(): boolean {
      return isDraining;
    },
    /** Notes an execution; `remove` it in every case. */
    add(runId: string, stepIndex: number, token: string): Execution {
      const execution: Execution = {
        runId,
        stepIndex,
        token,
        controller: new AbortController(),
        isClaimed: false,
      };
      executions.set(token, execution);
      return execution;
    },
    remove(token: string): void {
      executions.delete(token);
      if (executions.size > 0) return;
      for (const wake of idleWaiters) wake();
      idleWaiters.clear();
    },
    count(): number {
      return executions.size;
    },
    has(token: string): boolean {
      return executions.has(token);
    },
    /** Tokens of committed claims. */
    claimedTokens(): string[] {
      return [...executions.values()]
        .filter((execution) => execution.isClaimed)
        .map((execution) => execution.token);
    },
    /** Ends a run's executions of steps before `below`: it was canceled or has expired. Its `finally` steps go on. */
    stopRun(runId: string, below: number): void {
      for (const execution of executions.values()) {
        if (execution.runId === runId && execution.stepIndex < below)
          execution.controller.abort(new ExecutionError("canceled", "The run was stopped"));
      }
    },
    /** Ends executions that are no longer this worker's. */
    stopTokens(tokens: readonly string[]): void {
      for (const token of tokens) {
        executions
          .get(token)
          ?.controller.abort(new ExecutionError("worker_lost", "The execution was given to another worker"));
      }
    },
    /** Ends everything, because the worker stops: unfinished steps are given back. */
    stopAll(): void {
      for (const { controller } of executions.values())
        controller.abort(new ExecutionError("worker_lost", "The worker stops"));
    },
    /** From now on nothing further is begun. Resolves when nothing runs, or after `timeoutMs`; says which. */
    async waitIdle(timeoutMs: number): Promise<boolean> {
      isDraining = true;
      if (executions.size === 0) return true;
      return await waitForWake(idleWaiters, timeoutMs);
    },
  };
}

/** See {@link createExecutionRegistry}. */
export type ExecutionRegistry = ReturnType<typeof createExecutionRegistry>;

/** Resolves true when the waiter is called, false after `timeoutMs`. */
async function waitForWake(waiters: Set<() => void>, timeoutMs: number): Promise<boolean> {
  return await new Promise((resolve) => {
    const wake = () => {
      clearTimeout(timer);
      resolve(true);
    };
    const timer = setTimeout(() => {
      waiters.delete(wake);
      resolve(false);
    }, timeoutMs);
    waiters.add(wake);
  });
}
