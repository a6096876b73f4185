import { randomBytes } from "node:crypto";
import { firstIdAt } from "../../src/core/ids.js";

/** A moment in the middle of a month that lies so many months back. */
export function monthsAgo(months: number): Date {
  const now = new Date();
  return new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - months, 15));
}

/** An id as it was made at that moment. */
export function idOf(at: Date): string {
  return `${firstIdAt(at).slice(0, 24)}${randomBytes(6).toString("hex")}`;
}
