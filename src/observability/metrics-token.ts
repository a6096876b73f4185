import { createHash, timingSafeEqual } from "node:crypto";

/** Whether an `Authorization` header carries the token that `/metrics` demands; anything does where none is set. */
export function opensMetrics(authorization: string | undefined, token: string | undefined): boolean {
  if (token === undefined) return true;
  const digest = (text: string) => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(authorization ?? ""), digest(`Bearer ${token}`));
}
