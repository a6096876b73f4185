import { createHash, randomBytes } from "node:crypto";

/** A new token of 256 random bits behind a prefix that says what it is. */
export function makeRandomToken(prefix: "hr_" | "hrr_" | "hrw_"): string {
  return `${prefix}${randomBytes(32).toString("base64url")}`;
}

/** What is stored of a random token. A plain digest will do: there is nothing to guess in 256 random bits. */
export function hashRandomToken(token: string): Buffer {
  return createHash("sha256").update(token).digest();
}
