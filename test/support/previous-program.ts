import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { repository } from "./headrace-up.js";

const LIMIT_MS = 120_000;
const MOST_BYTES = 512 * 1024 ** 2;

/** The program of an earlier commit, built in a folder of its own. */
export interface PreviousProgram {
  readonly revision: string;
  /** Where it runs: `dist/src/cli/main.js` and what it reads beside. */
  readonly folder: string;
  /** Its migrations, in their order. */
  readonly migrations: readonly string[];
  remove(): void;
}

/**
 * The commits to come from: those of `HEADRACE_PREVIOUS` (separated by spaces), else the one before the newest migration.
 * @throws without the history of git.
 */
export function previousRevisions(): string[] {
  const given = process.env["HEADRACE_PREVIOUS"];
  if (given) return given.split(" ");
  const newest = git([
    "log",
    "--first-parent",
    "-m",
    "-1",
    "--diff-filter=A",
    "--format=%h",
    "--",
    "migrations",
  ]);
  return [git(["rev-parse", "--short", `${newest}^1`])];
}

/** Takes the program out of git and builds it, with this checkout's packages. */
export function buildPreviousProgram(revision: string): PreviousProgram {
  const folder = mkdtempSync(join(tmpdir(), "headrace-previous-"));
  const options = { cwd: repository, timeout: LIMIT_MS, maxBuffer: MOST_BYTES };
  const archive = execFileSync("git", ["archive", revision], options);
  execFileSync("tar", ["-x", "-C", folder], { ...options, input: archive });
  symlinkSync(join(repository, "node_modules"), join(folder, "node_modules"));
  execFileSync(process.execPath, [join(repository, "scripts", "compile.mjs"), folder], options);
  return {
    revision,
    folder,
    migrations: readdirSync(join(folder, "migrations")).sort(),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

/** Lets a program prepare an installation: its schema, the first admin, and an API key in `tokenFile`. */
export function prepareWith(
  folder: string,
  environment: Readonly<Record<string, string>>,
  tokenFile: string,
): void {
  const code = `
    import { loadSettings } from "./dist/src/config/load-settings.js";
    import { prepareInstallation } from "./dist/src/lifecycle/prepare-installation.js";
    await prepareInstallation(loadSettings(), { tokenFile: ${JSON.stringify(tokenFile)} });`;
  evaluate(folder, code, environment);
}

function evaluate(folder: string, code: string, environment: Readonly<Record<string, string>> = {}): string {
  return execFileSync(process.execPath, ["--input-type=module", "--eval", code], {
    cwd: folder,
    timeout: LIMIT_MS,
    env: { PATH: process.env["PATH"], HOME: process.env["HOME"], ...environment },
    encoding: "utf8",
  });
}

function git(args: readonly string[]): string {
  return execFileSync("git", args, { cwd: repository, encoding: "utf8" }).trim();
}
