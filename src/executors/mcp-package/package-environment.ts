import { readdir, readFile } from "node:fs/promises";
import { join, resolve, sep } from "node:path";
import { isJsonObject, type JsonObject } from "../../core/json.js";
import type { ResolvedPackage } from "../../core/tool-contract.js";
import type { EnvironmentCache } from "../script/environment-cache.js";
import { installNodePackages } from "../script/node-environment.js";
import { buildPythonEnvironment } from "../script/python-environment.js";
import { resolvePython } from "../script/python-interpreter.js";
import { type ExecutionContext, ExecutionError } from "../types.js";
import type { PackageRequest } from "./package-request.js";

/** An installed package, ready to be started. */
export interface InstalledServer {
  readonly command: string;
  readonly args: readonly string[];
  /** What the server must be able to read. */
  readonly folder: string;
  readonly package: ResolvedPackage;
}

/** What installing needs. */
export interface PackageEnvironmentDeps {
  readonly environments: EnvironmentCache;
  /** The setting `PYTHON`. */
  readonly python?: string | undefined;
}

/**
 * Installs a package once for this machine and finds its program. No code of the package runs while it is installed.
 * @param pinned the version that the contract recorded, which counts in place of a range.
 * @throws ExecutionError `upstream_error` when it cannot be had, `invalid_input` when it has no such program.
 */
export async function installServer(
  deps: PackageEnvironmentDeps,
  request: PackageRequest,
  pinned: ResolvedPackage | undefined,
  context: ExecutionContext,
): Promise<InstalledServer> {
  const isSame = pinned?.registry === request.registry && pinned.name === request.name;
  const version = isSame ? pinned.version : request.range;
  return request.registry === "npm"
    ? await installFromNpm(deps, request, version, context)
    : await installFromPypi(deps, request, version, context);
}

async function installFromNpm(
  { environments }: PackageEnvironmentDeps,
  request: PackageRequest,
  version: string | undefined,
  context: ExecutionContext,
): Promise<InstalledServer> {
  const requirements = [version === undefined ? request.name : `${request.name}@${version}`];
  const interpreter = `${process.execPath} ${process.version}`;
  const folder = await environments.open(
    { kind: "node", interpreter, requirements, content: "server" },
    async (target, install) => await installNodePackages({ folder: target, requirements, install }),
    context,
  );
  const home = join(folder, "node_modules", request.name);
  const manifest: unknown = JSON.parse(await readFile(join(home, "package.json"), "utf8"));
  const script = isJsonObject(manifest) ? findProgram(manifest, request) : undefined;
  const path = script === undefined ? undefined : resolve(home, script);
  if (path === undefined || !path.startsWith(home + sep)) throw noProgram(request);
  const installed = { registry: "npm", name: request.name } as const;
  return {
    command: process.execPath,
    args: [path, ...request.args],
    folder,
    package: { ...installed, version: String((manifest as JsonObject)["version"]) },
  };
}

function findProgram({ bin }: JsonObject, request: PackageRequest): string | undefined {
  if (typeof bin === "string") return bin;
  if (!isJsonObject(bin)) return undefined;
  const own = request.name.split("/").at(-1) ?? "";
  const name = request.program ?? (Object.hasOwn(bin, own) ? own : undefined);
  const values = Object.values(bin);
  const found = name === undefined ? (values.length === 1 ? values[0] : undefined) : bin[name];
  return typeof found === "string" ? found : undefined;
}

async function installFromPypi(
  { environments, python: setting }: PackageEnvironmentDeps,
  request: PackageRequest,
  version: string | undefined,
  context: ExecutionContext,
): Promise<InstalledServer> {
  const python = await resolvePython(setting).catch((error: unknown) => {
    throw new ExecutionError("internal", (error as Error).message, { cause: error });
  });
  const requirements = [version === undefined ? request.name : `${request.name}==${version}`];
  const folder = await environments.open(
    { kind: "python", interpreter: python, requirements, content: "server" },
    async (target, install) =>
      await buildPythonEnvironment({ python, folder: target, requirements, install }),
    context,
  );
  const name = request.name.replace(/\[.*/, "");
  const program = request.program ?? name;
  const programs = await readdir(join(folder, "bin"));
  if (!programs.includes(program)) throw noProgram(request);
  return {
    command: join(folder, "bin/python"),
    args: [join(folder, "bin", program), ...request.args],
    folder,
    package: { registry: "pypi", name: request.name, version: await findPypiVersion(folder, name) },
  };
}

/** Installed distributions leave a folder `name-version.dist-info`. */
async function findPypiVersion(folder: string, name: string): Promise<string> {
  const normal = name.toLowerCase().replace(/[-_.]+/g, "_");
  const entries = await readdir(join(folder, "lib"), { recursive: true });
  for (const entry of entries) {
    const [, found = "", version = ""] = /([^/]+)-([^/-]+)\.dist-info$/.exec(entry) ?? [];
    if (found.toLowerCase().replace(/[-_.]+/g, "_") === normal) return version;
  }
  return "unknown";
}

function noProgram({ name, program }: PackageRequest): ExecutionError {
  const what = program === undefined ? "no program of its own name" : `no program ${program}`;
  return new ExecutionError("invalid_input", `The package ${name} has ${what}`);
}
