import { join } from "node:path";
import { type ExecutionContext, ExecutionError, type Executor } from "../types.js";
import type { PythonScriptConfig } from "./definition.js";
import type { EnvironmentCache } from "./environment-cache.js";
import { buildPythonEnvironment } from "./python-environment.js";
import { resolvePython } from "./python-interpreter.js";
import { loadRuntimeFile } from "./runtime-files.js";
import { createScriptExecutor, type ScriptExecutorDeps, type ScriptLanguage } from "./script-executor.js";

/** What Python scripts need. */
export interface PythonScriptDeps extends Omit<ScriptExecutorDeps<PythonScriptConfig>, "language"> {
  /** The setting `PYTHON`. */
  readonly python?: string | undefined;
  readonly environments: EnvironmentCache;
}

/** The executor of `python_script`. The interpreter is looked for at the first execution. */
export function createPythonScriptExecutor(deps: PythonScriptDeps): Executor<PythonScriptConfig> {
  let interpreter: Promise<string> | undefined;
  let harness: Promise<string> | undefined;

  async function findInterpreter(): Promise<string> {
    interpreter ??= resolvePython(deps.python);
    try {
      return await interpreter;
    } catch (error) {
      interpreter = undefined; // it may be installed before the next try
      throw new ExecutionError("internal", error instanceof Error ? error.message : String(error), {
        cause: error,
      });
    }
  }

  async function openEnvironment(
    python: string,
    { requirements = [] }: PythonScriptConfig,
    context: ExecutionContext,
  ): Promise<string | undefined> {
    if (requirements.length === 0) return undefined;
    return await deps.environments.open(
      { kind: "python", interpreter: python, requirements },
      (folder, install) => buildPythonEnvironment({ python, folder, requirements, install }),
      context,
    );
  }

  const language: ScriptLanguage<PythonScriptConfig> = {
    type: "python_script",
    async prepare(config, context) {
      harness ??= loadRuntimeFile("harness.py");
      const [python, text] = await Promise.all([findInterpreter(), harness]);
      const environment = await openEnvironment(python, config, context);
      const env: Record<string, string> = environment
        ? { PATH: `${environment}/bin:/usr/local/bin:/usr/bin:/bin`, VIRTUAL_ENV: environment }
        : {};
      return {
        command: environment ? join(environment, "bin/python") : python,
        // Isolated: nothing of the machine's or the user's own Python set-up; unbuffered: prints are live. The harness is
        // an argument: no file of it has to be written, where its users can read it and nobody else can change it.
        args: ["-I", "-u", "-X", "utf8", "-c", text],
        readOnlyPaths: environment ? [environment] : [],
        env,
        limitAddressSpace: true,
        files: {},
        links: {},
        warm: { kind: "python", interpreter: python, ...(environment && { environment }) },
      };
    },
    compile: async (config) => ({ "script.py": config.code }),
  };
  return createScriptExecutor({ language, pool: deps.pool, onStart: deps.onStart });
}
