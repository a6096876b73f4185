import { join } from "node:path";
import type { JsonObject } from "../../core/json.js";
import { findPathFault } from "../config-fields.js";
import type { EnvironmentCache } from "../script/environment-cache.js";
import { buildNodeEnvironment } from "../script/node-environment.js";
import { loadRuntimeFile } from "../script/runtime-files.js";
import {
  type AppPage,
  type AppRequest,
  type AppServing,
  type ExecutionContext,
  ExecutionError,
} from "../types.js";
import type { StreamlitAppConfig } from "./definition.js";

/** What pages depend on. */
export interface StlitePagesDeps {
  readonly environments: EnvironmentCache;
  /** The setting `PYODIDE_URL`: a folder with `pyodide.mjs`. */
  readonly pyodideUrl?: string | undefined;
}

/** Streamlit for browsers; a hundred megabytes, so fetched when an app first asks for it. */
const PACKAGE = "@stlite/browser@1.9.2";
const BUILD = "node_modules/@stlite/browser/build";
const ASSETS = "/_stlite/";

const TYPES: Readonly<Record<string, string>> = {
  js: "text/javascript; charset=utf-8",
  css: "text/css; charset=utf-8",
  wasm: "application/wasm",
  whl: "application/octet-stream",
  woff: "font/woff",
  woff2: "font/woff2",
  ttf: "font/ttf",
  svg: "image/svg+xml",
  png: "image/png",
};

/**
 * The pages of an app that runs in the browser: Streamlit's build for it, the author's files, and the step's inputs.
 * Whoever opens the app reads those, so no secret may be among them.
 * @throws ExecutionError `invalid_input` for secrets, `upstream_error` when npm cannot get the package
 */
export async function prepareStlite(
  deps: StlitePagesDeps,
  app: {
    readonly config: StreamlitAppConfig;
    readonly input: JsonObject;
    readonly context: ExecutionContext;
  },
): Promise<AppServing> {
  const { config, input, context } = app;
  if (Object.keys(context.secrets).length > 0 || context.apps?.holdsSecret(input))
    throw new ExecutionError(
      "invalid_input",
      "An app that runs in the browser cannot have secrets: everybody who opens it would read them",
    );
  const environment = await deps.environments.open(
    { kind: "node", interpreter: `${process.execPath} ${process.version}`, requirements: [PACKAGE] },
    (folder, install) => buildNodeEnvironment({ folder, requirements: [PACKAGE], module: "", install }),
    context,
  );
  const [html, boot, module] = await Promise.all(
    ["stlite.html", "stlite-boot.js", "headrace_browser.py"].map(
      async (name) => await loadRuntimeFile(name, import.meta.url),
    ),
  );
  const pages = new Map<string, AppPage>([
    ["/", page("text/html; charset=utf-8", html ?? "", toPolicy(deps.pyodideUrl))],
    ["/_headrace/boot.js", page(TYPES["js"] ?? "", boot ?? "")],
    [
      "/_headrace/app.json",
      page("application/json", JSON.stringify(describe(deps, config, input, module ?? ""))),
    ],
  ]);
  const root = join(environment, BUILD);
  return { kind: "pages", findPage: (request) => pages.get(request.path) ?? findAsset(root, request) };
}

/** What the boot script mounts. */
function describe(
  { pyodideUrl }: StlitePagesDeps,
  { mainScriptPath, code, files, requirements = [] }: StreamlitAppConfig,
  input: JsonObject,
  module: string,
) {
  const sources = files ?? { [mainScriptPath]: code ?? "" };
  return {
    pyodideUrl: pyodideUrl === undefined ? null : new URL("pyodide.mjs", toFolder(pyodideUrl)).href,
    entrypoint: mainScriptPath,
    requirements,
    // beside the main script, from where Python imports
    files: { ...sources, [besideMain(mainScriptPath, "headrace.py")]: module },
    linkPath: besideMain(mainScriptPath, "headrace_link.json"),
    inputs: input,
  };
}

function besideMain(mainScriptPath: string, name: string): string {
  return [...mainScriptPath.split("/").slice(0, -1), name].join("/");
}

function findAsset(root: string, { path }: AppRequest): AppPage | undefined {
  if (!path.startsWith(ASSETS)) return undefined;
  const name = path.slice(ASSETS.length);
  const type = TYPES[name.split(".").at(-1) ?? ""];
  if (type === undefined || findPathFault(name) !== undefined || name.includes("%")) return undefined;
  return {
    file: join(root, name),
    headers: { "Content-Type": type, "Cache-Control": "private, max-age=86400" },
  };
}

function page(type: string, body: string, policy?: string): AppPage {
  return {
    body,
    headers: {
      "Content-Type": type,
      "Cache-Control": "no-store",
      ...(policy === undefined ? {} : { "Content-Security-Policy": policy }),
    },
  };
}

/** From here and from where Pyodide is, nothing else. stlite brings its worker as data; Python in WebAssembly needs the two kinds of eval. */
function toPolicy(pyodideUrl: string | undefined): string {
  const from = pyodideUrl === undefined ? "'self'" : `'self' ${new URL(pyodideUrl).origin}`;
  return [
    "default-src 'none'",
    `script-src ${from} blob: data: 'unsafe-eval' 'wasm-unsafe-eval'`,
    "worker-src 'self' blob:",
    `connect-src ${from} blob: data:`,
    "style-src 'self' 'unsafe-inline'",
    "img-src 'self' data: blob:",
    "media-src 'self' data: blob:",
    "font-src 'self' data:",
    "base-uri 'none'",
    "form-action 'none'",
  ].join("; ");
}

function toFolder(url: string): string {
  return url.endsWith("/") ? url : `${url}/`;
}
