import { createHash, randomBytes } from "node:crypto";
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join, resolve } from "node:path";
import type { PostgresBinaries } from "./postgres-binaries.js";
import { passwordPath, readPassword } from "./postgres-record.js";
import { BARE_ENVIRONMENT, runTool } from "./run-tool.js";
import { StartupError } from "./startup-error.js";
import { canTraverse, type SystemAccount } from "./system-account.js";

/** Where a data folder's database lives. */
export interface ClusterPlace {
  /** Folder that holds the cluster, its log and nothing else. */
  readonly home: string;
  readonly cluster: string;
  readonly logFile: string;
  /** Set when the cluster could not be put under DATA_DIR: why, for people. */
  readonly movedBecause?: string;
}

/**
 * Decides where the cluster goes: `<DATA_DIR>/postgres`, or `/var/lib/headrace-<hash>` when the account that runs
 * PostgreSQL cannot reach DATA_DIR (a clone under `/root`).
 */
export function placeCluster(dataDir: string, account: SystemAccount | undefined): ClusterPlace {
  const folder = resolve(dataDir);
  if (!account || canTraverse(folder, account)) return placeIn(join(folder, "postgres"));
  const hash = createHash("sha256").update(folder).digest("hex").slice(0, 12);
  const home = `/var/lib/headrace-${hash}`;
  return {
    ...placeIn(home),
    movedBecause: `${folder} cannot be reached by the user "${account.name}", so the database is kept in ${home}`,
  };
}

function placeIn(home: string): ClusterPlace {
  return { home, cluster: join(home, "cluster"), logFile: join(home, "server.log") };
}

/**
 * Makes the cluster if there is none: password sign-in (SCRAM), UTF-8, checksums, a locale that is the same on
 * every machine. A crash half-way leaves nothing that looks like a cluster.
 * @returns the superuser's password.
 */
export async function ensureCluster(options: {
  dataDir: string;
  place: ClusterPlace;
  binaries: PostgresBinaries;
  account: SystemAccount | undefined;
}): Promise<string> {
  const { place, account } = options;
  mkdirSync(place.home, { recursive: true, mode: 0o700 });
  if (account) chownSync(place.home, account.uid, account.gid);
  chmodSync(place.home, 0o700);
  const exists = existsSync(join(place.cluster, "PG_VERSION"));
  const known = readPassword(options.dataDir);
  if (exists) {
    if (known === undefined) {
      throw new StartupError(
        `The embedded database's password file is gone (${passwordPath(options.dataDir)}). ` +
          `Restore it, or move ${place.home} away to begin with an empty database.`,
      );
    }
    assertOwner(place, account);
    return known;
  }
  const password = known ?? randomBytes(24).toString("hex");
  if (known === undefined) writeFileSync(passwordPath(options.dataDir), `${password}\n`, { mode: 0o600 });
  await initialise(options, password);
  return password;
}

function assertOwner(place: ClusterPlace, account: SystemAccount | undefined): void {
  const owner = statSync(place.cluster).uid;
  const mine = account?.uid ?? process.getuid?.();
  if (mine === undefined || owner === mine) return;
  throw new StartupError(
    `The database in ${place.cluster} belongs to user ${owner}, and would be run by user ${mine}. ` +
      "Start Headrace as the user that made it, or set another DATA_DIR.",
  );
}

async function initialise(
  options: { place: ClusterPlace; binaries: PostgresBinaries; account: SystemAccount | undefined },
  password: string,
): Promise<void> {
  const { place, account } = options;
  const building = `${place.cluster}.new`;
  rmSync(building, { recursive: true, force: true });
  const passwordFile = join(place.home, `.password-${randomBytes(6).toString("hex")}`);
  writeFileSync(passwordFile, password, { mode: 0o600 });
  if (account) chownSync(passwordFile, account.uid, account.gid);
  try {
    const made = await runTool(
      join(options.binaries.folder, "bin", "initdb"),
      [
        `--pgdata=${building}`,
        "--username=headrace",
        `--pwfile=${passwordFile}`,
        "--auth=scram-sha-256",
        "--encoding=UTF8",
        "--locale-provider=builtin",
        "--builtin-locale=C.UTF-8",
        "--locale=C",
        "--no-instructions",
      ],
      {
        ...(account ? { uid: account.uid, gid: account.gid } : {}),
        environment: BARE_ENVIRONMENT,
        timeoutMs: 120_000,
      },
    );
    if (made.code !== 0) {
      throw new StartupError(
        `The embedded PostgreSQL could not make its database in ${place.home}: ${lastLines(made.stderr)}. ` +
          "Mend that, or set DATABASE_URL to a PostgreSQL server.",
      );
    }
    renameSync(building, place.cluster);
  } finally {
    rmSync(passwordFile, { force: true });
  }
}

function lastLines(text: string): string {
  return text.trim().split("\n").slice(-3).join(" | ") || "initdb did not end in time";
}
