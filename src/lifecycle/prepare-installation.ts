import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Knex } from "knex";
import type { Actor } from "../core/actor.js";
import { migrateDatabase, openDatabase } from "../models/database.js";
import { UserModel } from "../models/user-model.js";
import { createAuditLog } from "../services/audit/audit-log.js";
import { createApiKeys } from "../services/auth/api-keys.js";
import { createPasswords } from "../services/auth/passwords.js";
import { createPrincipals } from "../services/auth/principals.js";
import { ensureFirstAdmin } from "../services/users/ensure-first-admin.js";
import type { SettingsWithDatabase } from "./database-url.js";

/** What an installation has before its processes start. */
export interface PreparedInstallation {
  /** Names of the migrations that were applied now. */
  readonly applied: readonly string[];
  /** The oldest active admin; undefined when every admin was deactivated. */
  readonly adminEmail: string | undefined;
  /** File with the made-up password of the first admin, while it is there. */
  readonly passwordFile: string | undefined;
}

const KEY_NAME = "Command line of this machine";

/**
 * Brings the schema up to date and makes the first admin; with `tokenFile`, also leaves an API key of the admin
 * there (mode 600) for client commands, unless the one that it holds still works. Safe to repeat.
 */
export async function prepareInstallation(
  settings: SettingsWithDatabase,
  options: { tokenFile?: string; onWait?: () => void } = {},
): Promise<PreparedInstallation> {
  const knex = openDatabase({ url: settings.DATABASE_URL, poolSize: 4, applicationName: "headrace-setup" });
  try {
    const applied = await migrateDatabase(knex, options.onWait);
    const audit = createAuditLog({ knex });
    await ensureFirstAdmin({ knex, settings, passwords: createPasswords(), audit });
    const admin = await findAdmin(knex);
    if (options.tokenFile && admin)
      await ensureCommandLineKey(knex, admin, options.tokenFile, settings.DATA_DIR);
    const passwordFile = join(settings.DATA_DIR, "admin-password");
    return {
      applied,
      adminEmail: admin?.email,
      passwordFile: existsSync(passwordFile) ? passwordFile : undefined,
    };
  } finally {
    await knex.destroy();
  }
}

async function findAdmin(knex: Knex): Promise<UserModel | undefined> {
  return await UserModel.query(knex).where({ role: "admin", is_active: true }).orderBy("id").first();
}

async function ensureCommandLineKey(
  knex: Knex,
  admin: UserModel,
  path: string,
  dataDir: string,
): Promise<void> {
  const principals = createPrincipals({ knex });
  if (existsSync(path)) {
    const known = await principals.findByApiKey(readFileSync(path, "utf8").trim());
    if (known?.actor.role === "admin") return;
  }
  const actor: Actor = { type: "user", userId: admin.id, name: admin.email, role: "admin" };
  const keys = createApiKeys({ knex, audit: createAuditLog({ knex }), principals });
  const made = await keys.create(actor, { requestId: "headrace-up", address: null }, { name: KEY_NAME });
  mkdirSync(dataDir, { recursive: true });
  writeFileSync(path, `${made.key}\n`, { mode: 0o600 });
}
