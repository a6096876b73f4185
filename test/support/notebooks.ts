import { execFileSync } from "node:child_process";
import type { JsonObject } from "../../src/core/json.js";
import { type OpenedExecutor, openExecutor } from "./open-executor.js";
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
} = {}): Promise<OpenedExecutor> {
  return await openExecutor("jupyter_notebook", {
    deps: ({ sandbox, workdirs: { make, remove } }) => ({
      ...(isWarm && { ground: { sandbox, makeWorkdir: make, removeWorkdir: remove } }),
      ...(python !== undefined && { python }),
    }),
  });
}
