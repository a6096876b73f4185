import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { feedInputs } from "../../src/connectors/query-process.js";
import type { QueryProgram, QueryWalls, WalledProgram } from "../../src/connectors/types.js";
import { buildBubblewrapArgs, encodeBubblewrapArgs } from "./bubblewrap-args.js";
import { findBubblewrap } from "./find-bubblewrap.js";
import { createIsolationPolicy } from "./isolation-policy.js";

/** Descriptors of bubblewrap's, after those of every child. */
const ARGS_FD = 3;
const SECCOMP_FD = 4;
/** Of bubblewrap alone. */
const OWN_PATH = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin";
const TRIAL_MS = 5_000;
/** Databases and what their engines put beside them. */
const DATABASE = /\.(?:db|db3|sqlite|sqlite3|duckdb|ddb)(?:-wal|-shm|-journal|\.wal|\.tmp)?$/;

/**
 * Walls of bubblewrap for queries of embedded databases: those that steps have, without any network. They are tried
 * once. @returns undefined where the machine has none.
 */
export async function openQueryWalls(): Promise<QueryWalls | undefined> {
  const bubblewrap = await findBubblewrap().catch(() => undefined);
  if (!bubblewrap) return undefined;
  const { command: program, features } = bubblewrap;
  const policy = createIsolationPolicy();

  function wrap({ command, args, ownPaths }: QueryProgram, folder: string): WalledProgram {
    const options = buildBubblewrapArgs(
      policy,
      {
        command,
        workdir: folder,
        readOnlyPaths: ownPaths,
        coveredPaths: listForeign(folder),
        env: { PATH: OWN_PATH, LANG: "C.UTF-8", HOME: "/tmp", TMPDIR: "/tmp" },
        ...(policy.seccomp && { seccompFd: SECCOMP_FD }),
      },
      features,
    );
    return {
      command: program,
      args: ["--args", String(ARGS_FD), "--", command, ...args],
      env: { PATH: OWN_PATH },
      inputs: [encodeBubblewrapArgs(options), policy.seccomp ?? Buffer.alloc(0)],
    };
  }

  const works = await tryOut(wrap({ command: "/bin/true", args: [], ownPaths: [] }, "/tmp"));
  return works ? { wrap } : undefined;
}

/** The data folder holds keys, artifacts, perhaps a whole PostgreSQL beside the databases that people query. */
function listForeign(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => !DATABASE.test(entry.name) || !(entry.isFile() || entry.name.endsWith(".tmp")))
    .filter((entry) => entry.isFile() || entry.isDirectory())
    .map(({ name }) => join(folder, name));
}

async function tryOut({ command, args, env, inputs }: WalledProgram): Promise<boolean> {
  const stdio = ["ignore", "ignore", "ignore", ...inputs.map(() => "pipe" as const)] as const;
  const child = spawn(command, args, { env: { ...env }, stdio: [...stdio], timeout: TRIAL_MS });
  feedInputs(child, inputs);
  const [code] = (await once(child, "exit").catch(() => [1])) as [number | null];
  return code === 0;
}
