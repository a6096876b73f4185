import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import type { EnvironmentCache } from "../script/environment-cache.js";
import { buildPythonEnvironment } from "../script/python-environment.js";
import { resolvePython } from "../script/python-interpreter.js";
import { type ExecutionContext, ExecutionError } from "../types.js";

/** An interpreter that has Streamlit. */
export interface AppEnvironment {
  readonly python: string;
  /** What else of the machine it reads. */
  readonly readOnlyPaths: readonly string[];
}

/** What looking for one depends on. */
export interface AppEnvironmentDeps {
  /** The setting `PYTHON`. */
  readonly python?: string | undefined;
  readonly environments: EnvironmentCache;
}

/**
 * An interpreter with Streamlit and an app's requirements: the machine's own where it has Streamlit and nothing else is
 * asked for, else an environment that pip fills.
 * @throws ExecutionError `upstream_error` that says how to get Streamlit where pip cannot.
 */
export async function openAppEnvironment(
  deps: AppEnvironmentDeps,
  requirements: readonly string[],
  context: ExecutionContext,
): Promise<AppEnvironment> {
  const python = await resolvePython(deps.python).catch((error: unknown) => {
    throw new ExecutionError("internal", error instanceof Error ? error.message : String(error));
  });
  if (requirements.length === 0 && (await hasStreamlit(python))) return { python, readOnlyPaths: [] };
  const isNamed = requirements.some((requirement) => /^streamlit(?![A-Za-z0-9._-])/i.test(requirement));
  const all = isNamed ? requirements : ["streamlit", ...requirements];
  try {
    const folder = await deps.environments.open(
      { kind: "python", interpreter: python, requirements: all },
      (into, install) => buildPythonEnvironment({ python, folder: into, requirements: all, install }),
      context,
    );
    return { python: join(folder, "bin/python"), readOnlyPaths: [folder] };
  } catch (error) {
    throw explain(error, python, requirements);
  }
}

async function hasStreamlit(python: string): Promise<boolean> {
  const look = "import importlib.util, sys; sys.exit(importlib.util.find_spec('streamlit') is None)";
  return await promisify(execFile)(python, ["-I", "-c", look], { timeout: 10_000 }).then(
    () => true,
    () => false,
  );
}

/** An error of pip that is about Streamlit says how to get it; others are about the author's requirements. */
function explain(error: unknown, python: string, requirements: readonly string[]): unknown {
  if (!(error instanceof ExecutionError) || error.code !== "upstream_error") return error;
  if (requirements.length > 0 && !/streamlit/i.test(error.message)) return error;
  const how =
    `Streamlit is not installed here and pip cannot get it. Install it with "${python} -m pip install streamlit", ` +
    "or name a package index that has it in PIP_INDEX_URL";
  return new ExecutionError("upstream_error", `${how} (${error.message})`.slice(0, 2_000), {
    ...(error.details === undefined ? {} : { details: error.details }),
    cause: error,
  });
}
