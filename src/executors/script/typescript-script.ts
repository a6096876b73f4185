import { join } from "node:path";
import { stop } from "esbuild";
import type { Executor } from "../types.js";
import type { TypescriptScriptConfig } from "./definition.js";
import type { EnvironmentCache } from "./environment-cache.js";
import { buildNodeEnvironment } from "./node-environment.js";
import { loadRuntimeFile } from "./runtime-files.js";
import { createScriptExecutor, type ScriptExecutorDeps, type ScriptLanguage } from "./script-executor.js";
import { createTypescriptCompiler } from "./typescript-compiler.js";

/** What TypeScript scripts need. */
export interface TypescriptScriptDeps extends Omit<ScriptExecutorDeps<TypescriptScriptConfig>, "language"> {
  readonly environments: EnvironmentCache;
}

/** V8's heap may take this share of a step's memory; buffers, code and the process itself need the rest. */
const HEAP_SHARE = 0.8;
const MIN_HEAP_MB = 32;

/** The executor of `typescript_script`: compiled by esbuild, run by this process's own Node.js. */
export function createTypescriptScriptExecutor(deps: TypescriptScriptDeps): Executor<TypescriptScriptConfig> {
  const compiler = createTypescriptCompiler();
  let runtime: Promise<{ harness: string; module: string }> | undefined;

  async function loadRuntime(): Promise<{ harness: string; module: string }> {
    const [harness, module] = await Promise.all([
      loadRuntimeFile("harness.mjs"),
      loadRuntimeFile("headrace.mjs"),
    ]);
    return { harness, module };
  }

  const language: ScriptLanguage<TypescriptScriptConfig> = {
    type: "typescript_script",
    async prepare(config, context) {
      runtime ??= loadRuntime();
      const { harness, module } = await runtime;
      const requirements = config.requirements ?? [];
      // Without requirements, the environment holds the headrace module alone.
      const environment = await deps.environments.open(
        {
          kind: "node",
          interpreter: `${process.execPath} ${process.version}`,
          requirements,
          content: module,
        },
        (folder, install) => buildNodeEnvironment({ folder, requirements, module, install }),
        context,
      );
      const heapMb = Math.max(MIN_HEAP_MB, Math.floor(config.memoryMb * HEAP_SHARE));
      return {
        command: process.execPath,
        args: [`--max-old-space-size=${heapMb}`, ".headrace/harness.mjs"],
        readOnlyPaths: [environment],
        env: {},
        limitAddressSpace: false,
        files: { ".headrace/harness.mjs": harness },
        links: { node_modules: join(environment, "node_modules") },
      };
    },
    compile: async (config) => ({ "script.mjs": await compiler.compile(config.code) }),
    close: stop,
  };
  return createScriptExecutor({ language, pool: deps.pool, onStart: deps.onStart });
}
