import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createExecutors, type ExecutorDeps } from "../../src/executors/registry.js";
import type { Executor, McpType } from "../../src/executors/types.js";
import {
  createSandbox,
  type CreateSandboxOptions,
  type WorkerSandbox,
} from "../../workers/sandbox/create-sandbox.js";

/** An executor on a sandbox of its own. */
export interface OpenedExecutor {
  readonly executor: Executor;
  readonly worker: WorkerSandbox;
  /** Ends both and removes their folder; call in `afterAll`. */
  close(): Promise<void>;
}

/** Opens one at the strongest level that this machine has, unless told otherwise. */
export async function openExecutor(
  type: McpType,
  more: {
    readonly level?: CreateSandboxOptions["requested"];
    readonly deps?: (worker: WorkerSandbox) => Omit<ExecutorDeps, "cacheRoot">;
  } = {},
): Promise<OpenedExecutor> {
  const root = await mkdtemp(join(tmpdir(), "headrace-executor-"));
  await chmod(root, 0o755);
  const worker = await createSandbox({ requested: more.level ?? "auto", workRoot: join(root, "work") });
  const cacheRoot = join(worker.workdirs.root, ".cache");
  const executors = createExecutors({ cacheRoot, ...more.deps?.(worker) });
  const executor = executors.get(type);
  if (!executor) throw new Error(`No executor for ${type}`);
  return {
    executor,
    worker,
    async close() {
      await Promise.all([...executors.values()].map((each) => each.close?.()));
      await worker.sandbox.close();
      await rm(root, { recursive: true, force: true });
    },
  };
}
