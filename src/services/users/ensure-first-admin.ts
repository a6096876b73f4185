import { randomBytes } from "node:crypto";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Knex } from "knex";
import type { Settings } from "../../config/settings-schema.js";
import { systemActor } from "../../core/actor.js";
import { newId } from "../../core/ids.js";
import { UserModel } from "../../models/user-model.js";
import type { AuditLog } from "../audit/audit-log.js";
import type { Passwords } from "../auth/passwords.js";

/** The admin that was made, for the start-up screen. */
export interface FirstAdmin {
  readonly email: string;
  /** Where the made-up password was written; null when ADMIN_PASSWORD gave one. */
  readonly passwordFile: string | null;
}

const FIRST_ADMIN_LOCK = 7238120021;

/**
 * Makes the first admin when there is nobody yet: from ADMIN_EMAIL and ADMIN_PASSWORD, else `admin@localhost` with
 * a random password, written to `<DATA_DIR>/admin-password` (mode 600). Undefined when there are people already.
 * Safe from several processes at once.
 */
export async function ensureFirstAdmin(deps: {
  readonly knex: Knex;
  readonly settings: Pick<Settings, "ADMIN_EMAIL" | "ADMIN_PASSWORD" | "DATA_DIR">;
  readonly passwords: Passwords;
  readonly audit: AuditLog;
}): Promise<FirstAdmin | undefined> {
  const { knex, settings, audit } = deps;
  if (await hasUsers(knex)) return undefined;
  const password = settings.ADMIN_PASSWORD ?? randomBytes(18).toString("base64url");
  const passwordHash = await deps.passwords.hash(password);
  const email = settings.ADMIN_EMAIL ?? "admin@localhost";
  return await knex.transaction(async (trx) => {
    await trx.raw("SELECT pg_advisory_xact_lock(?)", [FIRST_ADMIN_LOCK]);
    if (await hasUsers(trx)) return undefined;
    const id = newId();
    await UserModel.query(trx).insert({ id, email, name: "Admin", passwordHash, role: "admin" });
    // before the commit: an admin whose password nobody can read must not come to be
    const passwordFile =
      settings.ADMIN_PASSWORD === undefined ? writePassword(settings.DATA_DIR, password) : null;
    await audit.record(trx, {
      actor: systemActor("start-up"),
      origin: null,
      action: "user.create",
      entityType: "user",
      entityId: id,
      after: { email, role: "admin" },
    });
    return { email, passwordFile };
  });
}

async function hasUsers(db: Knex): Promise<boolean> {
  return (await UserModel.query(db).select("id").first()) !== undefined;
}

function writePassword(folder: string, password: string): string {
  mkdirSync(folder, { recursive: true });
  const path = join(folder, "admin-password");
  writeFileSync(path, `${password}\n`, { mode: 0o600 });
  // the mode above holds for new files only
  chmodSync(path, 0o600);
  return path;
}
