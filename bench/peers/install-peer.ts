import { execFile } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import type { Progress } from "../rounds.js";
import type { PeerName } from "./peer-names.js";

/** Some need a newer Node than we do: the registry has its program for each platform. */
const NEWER_NODE = `node-${process.platform}-${process.arch}@24`;
/** Versions that were tried; nothing of a package is run while it is installed. */
const PACKAGES: Readonly<Record<PeerName, readonly string[]>> = {
  n8n: ["n8n@2.40.7", NEWER_NODE],
  restate: ["@restatedev/restate-server@1.7.12", "@restatedev/restate-sdk@1.17.2", NEWER_NODE],
  dbos: ["@dbos-inc/dbos-sdk@5.3.0"],
};
const LIMIT_MS = 30 * 60_000;

/**
 * Installs a peer into a folder of its own, unless one is there from an earlier run.
 * @returns that folder. @throws Error when npm fails or takes longer than half an hour.
 */
export async function installPeer(
  name: PeerName,
  options: { readonly folder: string; readonly signal: AbortSignal; readonly progress: Progress },
): Promise<string> {
  const folder = join(options.folder, name);
  const stamp = join(folder, ".installed");
  if (existsSync(stamp)) return folder;
  options.progress(`installing ${name}`);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "package.json"), '{ "private": true }\n');
  const args = [
    "install",
    "--ignore-scripts",
    "--no-audit",
    "--no-fund",
    "--loglevel=error",
    ...PACKAGES[name],
  ];
  const { signal } = options;
  await promisify(execFile)("npm", args, { cwd: folder, timeout: LIMIT_MS, signal, maxBuffer: 2 ** 24 });
  writeFileSync(stamp, "");
  return folder;
}

/** The newer Node that came with a peer. */
export function nodeOfPeer(folder: string): string {
  return join(folder, `node_modules/node-${process.platform}-${process.arch}/bin/node`);
}

/** Loads a package that a peer has brought. Its types are the caller's to state. */
export async function loadPeerModule(folder: string, name: string): Promise<unknown> {
  const path = createRequire(join(folder, "package.json")).resolve(name);
  return await import(pathToFileURL(path).href);
}
