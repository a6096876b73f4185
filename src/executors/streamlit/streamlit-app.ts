import { access, mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { JsonObject, JsonValue } from "../../core/json.js";
import { createOutgoingGuard, type OutgoingGuard } from "../../outgoing/outgoing-guard.js";
import type { EnvironmentCache } from "../script/environment-cache.js";
import { loadRuntimeFile } from "../script/runtime-files.js";
import { toSecretEnv } from "../script/script-executor.js";
import {
  type AppServing,
  type ExecutionContext,
  ExecutionError,
  type Executor,
  type OpenedApp,
} from "../types.js";
import { openAppEnvironment } from "./app-environment.js";
import { cloneRepository } from "./clone-repository.js";
import type { StreamlitAppConfig } from "./definition.js";
import { prepareStlite } from "./stlite-pages.js";

/** What the operator says of apps. */
export interface StreamlitAppSettings {
  /** The setting `ALLOWED_HOSTS_PRIVATE`: private hosts that repositories may be cloned from. */
  readonly allowedPrivateHosts?: readonly string[];
  /** The setting `PYODIDE_URL`. */
  readonly pyodideUrl?: string | undefined;
}

/** What apps need. */
export interface StreamlitAppDeps extends StreamlitAppSettings {
  /** The setting `PYTHON`. */
  readonly python?: string | undefined;
  readonly environments: EnvironmentCache;
  /** How this machine's tools reach the network; of it, the certificate authorities. */
  readonly installerEnv: Readonly<Record<string, string>>;
}

/** With the judge of where repositories are cloned from. */
type Deps = StreamlitAppDeps & { readonly guard: OutgoingGuard };

const SOCKET_NAME = "app.sock";
/** The folder of the author's files in the app's. */
const SOURCE = "app";
/** Bounds the CPU time of an app's process: its life is bounded by use, not by time. */
const LONGEST_LIFE_SECONDS = 604_800;

/**
 * Starts apps: by a Streamlit server of their own, or as pages that run it in the browser. The step's output is where
 * to find the app; who waits for what the app sends back is the runner's business.
 */
export function createStreamlitAppExecutor(given: StreamlitAppDeps): Executor<StreamlitAppConfig> {
  const { allowedPrivateHosts = [] } = given;
  const deps: Deps = { ...given, guard: createOutgoingGuard({ allowedPrivateHosts }) };
  return {
    type: "streamlit_app",
    hasSubmittedOutput: true,
    async execute(config, input, context): Promise<JsonValue> {
      const { apps, signal } = context;
      if (!apps) throw new ExecutionError("internal", "An app can be started by a step alone");
      signal.throwIfAborted();
      const { mode, idleTimeoutSeconds } = config;
      const prepare = mode === "server" ? await prepareServer(deps, config, context) : undefined;
      const pages = mode === "browser" ? await prepareStlite(deps, { config, input, context }) : undefined;
      signal.throwIfAborted();
      const app = await apps.open({ mode, idleTimeoutSeconds });
      const onAbort = (): void => void app.abandon("The execution was stopped");
      signal.addEventListener("abort", onAbort, { once: true });
      try {
        const serving = pages ?? (await prepare?.(app, input));
        if (serving) await app.serve(serving);
        signal.throwIfAborted();
        return { appId: app.appId, url: app.url, status: "running" };
      } catch (error) {
        await app.abandon(error instanceof Error ? error.message : String(error));
        signal.throwIfAborted();
        throw error;
      } finally {
        signal.removeEventListener("abort", onAbort);
      }
    },
  };
}

/** What may take long is done before there is an app: its environment. */
async function prepareServer(deps: Deps, config: StreamlitAppConfig, context: ExecutionContext) {
  const env = toSecretEnv(context);
  const environment = await openAppEnvironment(deps, config.requirements ?? [], context);
  return async (app: OpenedApp, input: JsonObject): Promise<AppServing> => {
    await writeSources(deps, config, app, context);
    await writeRuntime(app, input);
    return {
      kind: "process",
      socketName: SOCKET_NAME,
      healthPath: "/_stcore/health",
      command: {
        command: environment.python,
        args: [
          ...["-s", "-u", "-X", "utf8", ".headrace/serve.py", SOCKET_NAME, SOURCE, config.mainScriptPath],
          ...listOptions(),
        ],
        env,
        memoryMb: config.memoryMb,
        timeoutSeconds: LONGEST_LIFE_SECONDS,
        readOnlyPaths: environment.readOnlyPaths,
        network: true,
      },
    };
  };
}

/** Our sign-in stands in front, and pages may have no origin: Streamlit's own checks of origins and cookies are off. */
function listOptions(): string[] {
  return [
    "--global.developmentMode=false",
    "--server.headless=true",
    "--server.fileWatcherType=none",
    "--server.enableCORS=false",
    "--server.enableXsrfProtection=false",
    "--browser.gatherUsageStats=false",
    "--logger.hideWelcomeMessage=true",
  ];
}

async function writeSources(
  { guard, installerEnv }: Deps,
  { code, files, gitRepoUrl, mainScriptPath }: StreamlitAppConfig,
  { folder }: OpenedApp,
  context: ExecutionContext,
): Promise<void> {
  const root = join(folder, SOURCE);
  if (gitRepoUrl === undefined) {
    for (const [path, text] of Object.entries(files ?? { [mainScriptPath]: code ?? "" })) {
      await mkdir(dirname(join(root, path)), { recursive: true });
      await writeFile(join(root, path), text);
    }
    return;
  }
  const authorities = installerEnv["SSL_CERT_FILE"];
  await cloneRepository({ url: gitRepoUrl, folder, name: SOURCE, context, guard, authorities });
  await access(join(root, mainScriptPath)).catch(() => {
    throw new ExecutionError("script_error", `The repository has no ${mainScriptPath}`, { retryable: false });
  });
}

async function writeRuntime({ folder }: OpenedApp, input: JsonObject): Promise<void> {
  const runtime = join(folder, ".headrace");
  await mkdir(runtime);
  await writeFile(join(folder, "inputs.json"), JSON.stringify(input));
  for (const name of ["serve.py", "headrace.py"])
    await writeFile(join(runtime, name), await loadRuntimeFile(name, import.meta.url));
}
