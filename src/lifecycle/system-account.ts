import { existsSync, statSync } from "node:fs";
import { userInfo } from "node:os";
import { dirname } from "node:path";
import { runTool } from "./run-tool.js";
import { StartupError } from "./startup-error.js";

/** An unprivileged account of this machine. */
export interface SystemAccount {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

const OWN_NAME = "headrace-postgres";

/**
 * The account that the embedded PostgreSQL must run as: undefined (this one) unless we are root, which PostgreSQL
 * refuses. Made once as a system user when the machine has none that fits.
 * @throws StartupError when none can be made.
 */
export async function findDatabaseAccount(): Promise<SystemAccount | undefined> {
  if (userInfo().uid !== 0) return undefined;
  for (const name of [OWN_NAME, "postgres"]) {
    const found = await lookUp(name);
    if (found) return found;
  }
  const made = await runTool(
    "useradd",
    [
      "--system",
      "--user-group",
      "--no-create-home",
      "--home-dir",
      "/nonexistent",
      "--shell",
      "/usr/sbin/nologin",
      OWN_NAME,
    ],
    { timeoutMs: 20_000 },
  );
  const account = await lookUp(OWN_NAME);
  if (account) return account;
  throw new StartupError(
    `PostgreSQL refuses to run as root, and no system user could be made for it (${made.stderr.trim() || "useradd failed"}). ` +
      "Run Headrace as another user, or set DATABASE_URL to a PostgreSQL server.",
  );
}

async function lookUp(name: string): Promise<SystemAccount | undefined> {
  const [uid, gid] = await Promise.all([
    runTool("id", ["-u", name], { timeoutMs: 10_000 }),
    runTool("id", ["-g", name], { timeoutMs: 10_000 }),
  ]);
  if (uid.code !== 0 || gid.code !== 0) return undefined;
  return { name, uid: Number(uid.stdout), gid: Number(gid.stdout) };
}

/** Whether an account may pass through a folder and all folders above it. */
export function canTraverse(folder: string, account: SystemAccount): boolean {
  let at = folder;
  for (;;) {
    if (existsSync(at)) {
      const { mode, uid, gid } = statSync(at);
      const bit = uid === account.uid ? 0o100 : gid === account.gid ? 0o010 : 0o001;
      if ((mode & bit) === 0) return false;
    }
    const up = dirname(at);
    if (up === at) return true;
    at = up;
  }
}
