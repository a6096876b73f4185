import type { ActionLog } from "../../contracts/api/action-logs.js";
import type { ActionLogModel } from "../../models/action-log-model.js";

/** An audit entry as the API shows it. */
export function presentActionLog(row: ActionLogModel): ActionLog {
  return {
    seq: row.seq,
    id: row.id,
    at: row.at.toISOString(),
    actor: { type: row.actorType, id: row.actorId, name: row.actorName },
    action: row.action,
    outcome: row.outcome,
    entityType: row.entityType,
    entityId: row.entityId,
    requestId: row.requestId,
    address: row.address,
    before: row.before,
    after: row.after,
    previousHash: row.previousHash.toString("hex"),
    hash: row.hash.toString("hex"),
  };
}

const COLUMNS = [
  ["seq", (row: ActionLog) => row.seq],
  ["at", (row: ActionLog) => row.at],
  ["actorType", (row: ActionLog) => row.actor.type],
  ["actorId", (row: ActionLog) => row.actor.id],
  ["actorName", (row: ActionLog) => row.actor.name],
  ["action", (row: ActionLog) => row.action],
  ["outcome", (row: ActionLog) => row.outcome],
  ["entityType", (row: ActionLog) => row.entityType],
  ["entityId", (row: ActionLog) => row.entityId],
  ["requestId", (row: ActionLog) => row.requestId],
  ["address", (row: ActionLog) => row.address],
  ["before", (row: ActionLog) => (row.before === null ? null : JSON.stringify(row.before))],
  ["after", (row: ActionLog) => (row.after === null ? null : JSON.stringify(row.after))],
  ["hash", (row: ActionLog) => row.hash],
] as const;

/** The header line of the CSV export, with its line end. */
export const CSV_HEADER = `${COLUMNS.map(([name]) => name).join(",")}\r\n`;

/** One line of the CSV export (RFC 4180). A cell that a spreadsheet would take for a formula starts with `'`. */
export function toCsvLine(row: ActionLog): string {
  return `${COLUMNS.map(([, read]) => toCell(read(row))).join(",")}\r\n`;
}

function toCell(value: string | number | null): string {
  if (value === null) return "";
  if (typeof value === "number") return String(value);
  const safe = /^[\s]*[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
