import { randomFillSync } from "node:crypto";

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/i;

/** Randomness is fetched for many ids at once: a call into the system for each would be most of its cost. */
const pool = Buffer.alloc(16 * 256);
let used = pool.length;

function takeRandom(): Buffer {
  if (used === pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  const bytes = Buffer.from(pool.subarray(used, used + 16));
  used += 16;
  return bytes;
}

let lastMs = 0;
let counter = 0;

/**
 * A new UUIDv7 (RFC 9562 §5.7): sorts by the millisecond it was made in, and by a 12-bit counter within it,
 * so rows made by one process keep their order.
 */
export function newId(): string {
  let nowMs = Date.now();
  if (nowMs <= lastMs) {
    nowMs = lastMs;
    counter += 1;
    if (counter > 0xfff) {
      nowMs += 1;
      counter = 0;
    }
  } else {
    counter = 0;
  }
  lastMs = nowMs;
  const bytes = takeRandom();
  bytes.writeUIntBE(nowMs, 0, 6);
  bytes[6] = 0x70 | (counter >> 8);
  bytes[7] = counter & 0xff;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = bytes.toString("hex");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

/** Whether a string is a UUID. */
export function isUuid(value: string): boolean {
  return UUID.test(value);
}

/** The smallest UUIDv7 of a moment: bounds a range of ids by time. */
export function firstIdAt(at: Date): string {
  const hex = Math.max(0, at.getTime()).toString(16).padStart(12, "0");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-7000-8000-000000000000`;
}
