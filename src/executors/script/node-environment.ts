import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { ExecutionError } from "../types.js";
import type { RunInstaller } from "./installer.js";

/** A folder with `node_modules`: the requirements, installed without running their scripts, and `headrace`. */
export async function buildNodeEnvironment(options: {
  readonly folder: string;
  readonly requirements: readonly string[];
  /** Source of the importable `headrace` module. */
  readonly module: string;
  readonly install: RunInstaller;
}): Promise<void> {
  const { folder, requirements, module, install } = options;
  if (requirements.length > 0) await installNodePackages({ folder, requirements, install });
  const target = join(folder, "node_modules/headrace");
  await mkdir(target, { recursive: true });
  await Promise.all([
    writeFile(join(target, "index.mjs"), module),
    writeFile(
      join(target, "package.json"),
      JSON.stringify({ name: "headrace", type: "module", exports: "./index.mjs" }),
    ),
  ]);
}

/** Installs packages into a folder's `node_modules`, without running their scripts. */
export async function installNodePackages(options: {
  readonly folder: string;
  readonly requirements: readonly string[];
  readonly install: RunInstaller;
}): Promise<void> {
  const { folder, requirements, install } = options;
  await writeFile(join(folder, "package.json"), JSON.stringify({ name: "step", private: true }));
  await install({
    name: "npm install",
    command: process.execPath,
    args: [
      findNpm(),
      "install",
      "--ignore-scripts",
      "--no-audit",
      "--no-fund",
      "--no-package-lock",
      "--no-progress",
      "--logs-max=0",
      "--",
      ...requirements,
    ],
    env: { PATH: `${dirname(process.execPath)}:/usr/local/bin:/usr/bin:/bin` },
  });
}

function findNpm(): string {
  const prefix = dirname(dirname(process.execPath));
  const places = [
    join(prefix, "lib/node_modules/npm/bin/npm-cli.js"),
    join(prefix, "share/nodejs/npm/bin/npm-cli.js"),
  ];
  const found = places.find((place) => existsSync(place));
  if (!found)
    throw new ExecutionError(
      "internal",
      "npm was not found beside Node.js: requirements cannot be installed",
    );
  return found;
}
