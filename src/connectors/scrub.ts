import type { DbSecrets } from "./types.js";

const URL_PASSWORD = /(\b[a-z][a-z0-9+.-]*:\/\/[^\s/:@]*):[^\s/@]+@/gi;

/** A database's words without the secrets that it may have repeated, in one line. */
export function scrubMessage(message: string, secrets: DbSecrets): string {
  let text = message.replace(URL_PASSWORD, "$1:[redacted]@");
  const key = secrets.credentials?.["private_key"];
  for (const secret of [secrets.password, typeof key === "string" ? key : undefined]) {
    if (secret === undefined || secret.length < 3) continue;
    for (const form of [secret, encodeURIComponent(secret), Buffer.from(secret).toString("base64")]) {
      text = text.replaceAll(form, "[redacted]");
    }
  }
  return text.replace(/\s+/g, " ").trim().slice(0, 1_000);
}
