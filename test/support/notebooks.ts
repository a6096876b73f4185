import { execFileSync } from "node:child_process";
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { JsonObject } from "../../src/core/json.js";
import { createExecutors } from "../../src/executors/registry.js";
import type { Executor } from "../../src/executors/types.js";
import { createSandbox, type WorkerSandbox } from "../../workers/sandbox/create-sandbox.js";
import type { Requirement } from "./requirements.js";

/** Python modules that notebooks are executed with. */
export const jupyter: Requirement = {
  name: "Jupyter",
  isMet: ["python3", "/usr/bin/python3"].some((python) => {
    try {
      execFileSync(python, ["-I", "-c", "import ipykernel, nbclient, nbconvert"], { stdio: "ignore" });
      return true;
    } catch {
      return false;
    }
  }),
  supply: "apt-get install python3-ipykernel python3-nbclient python3-nbconvert",
};

/** A notebook of these code cells. */
export function notebookOf(cells: readonly string[], more: JsonObject = {}): JsonObject {
  return {
    type: "jupyter_notebook",
    cells: cells.map((source) => ({ cellType: "code", source })),
    ...more,
  };
}

/** The executor of notebooks on a sandbox of its own; `isWarm` keeps kernels ready as a worker does. */
export async function openNotebooks({
  isWarm = false,
  python,
}: {
  isWarm?: boolean;
  python?: string;
} = {}): Promise<{
  executor: Executor;
  worker: WorkerSandbox;
  close(): Promise<void>;
}> {
  const root = await mkdtemp(join(tmpdir(), "headrace-notebooks-"));
  await chmod(root, 0o755);
  const worker = await createSandbox({ requested: "auto", workRoot: join(root, "work") });
  const { sandbox, workdirs } = worker;
  const ground = { sandbox, makeWorkdir: workdirs.make, removeWorkdir: workdirs.remove };
  const executors = createExecutors({
    cacheRoot: join(workdirs.root, ".cache"),
    ...(isWarm && { ground }),
    ...(python !== undefined && { python }),
  });
  const executor = executors.get("jupyter_notebook");
  if (!executor) throw new Error("No executor for notebooks");
  return {
    executor,
    worker,
    async close() {
      await Promise.all([...executors.values()].map((each) => each.close?.()));
      await sandbox.close();
      await rm(root, { recursive: true, force: true });
    },
  };
}
