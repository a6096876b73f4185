import { readFileSync } from "node:fs";

/** The source of `echo-app.mjs`. Read from here: the user of a step may not read a checkout. */
export function loadEchoApp(): string {
  return readFileSync(new URL("./echo-app.mjs", import.meta.url), "utf8");
}
