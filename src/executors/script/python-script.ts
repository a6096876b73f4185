import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Executor, ExecutionError } from "../types.js";
import type { PythonScriptConfig } from "./definition.js";
import type { EnvironmentCache } from "./environment-cache.js";
import { buildPythonEnvironment } from "./python-environment.js";
import { resolvePython } from "./python-interpreter.js";
import { loadRuntimeFile } from "./runtime-files.js";
import { createScriptExecutor, type ScriptLanguage } from "./script-executor.js";

/** What Python scripts need. */
export interface PythonScriptDeps {
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

  const language: ScriptLanguage<PythonScriptConfig> = {
    type: "python_script",
    async prepare(config, context) {
      const { workdir } = context;
      harness ??= loadRuntimeFile("harness.py");
      await mkdir(join(workdir, ".headrace"), { recursive: true });
      const [python] = await Promise.all([
        findInterpreter(),
        writeFile(join(workdir, ".headrace/harness.py"), await harness),
        writeFile(join(workdir, "script.py"), config.code),
      ]);
      const environment = config.requirements?.length
        ? await deps.environments.open(
            { kind: "python", interpreter: python, requirements: config.requirements },
            (folder, install) =>
              buildPythonEnvironment({ python, folder, requirements: config.requirements ?? [], install }),
            context,
          )
        : undefined;
      const env: Record<string, string> = environment
        ? { PATH: `${environment}/bin:/usr/local/bin:/usr/bin:/bin`, VIRTUAL_ENV: environment }
        : {};
      return {
        command: environment ? join(environment, "bin/python") : python,
        // Isolated: nothing of the machine's or the user's own Python set-up; unbuffered: prints are live.
        args: ["-I", "-u", "-X", "utf8", ".headrace/harness.py", String(context.limits.maxOutputBytes)],
        readOnlyPaths: environment ? [environment] : [],
        env,
        limitAddressSpace: true,
      };
    },
  };
  return createScriptExecutor({ language });
}
