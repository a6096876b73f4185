import type { Db } from "../../models/repository.js";

/** The ids of the active admins, locked: of two demotions at once, the second sees the first one's result. */
export async function lockAdmins(trx: Db): Promise<string[]> {
  const { rows } = await trx.raw<{ rows: { id: string }[] }>(
    "SELECT id FROM users WHERE role = 'admin' AND is_active ORDER BY id FOR UPDATE",
  );
  return rows.map((row) => row.id);
}

/** Whether somebody is the only active admin. */
export function isLastAdmin(adminIds: readonly string[], id: string): boolean {
  return adminIds.length === 1 && adminIds[0] === id;
}
