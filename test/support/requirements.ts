import { existsSync, readdirSync } from "node:fs";
import { describe } from "@jest/globals";

/** Something a machine may lack, and the command that supplies it. */
export interface Requirement {
  readonly name: string;
  readonly isMet: boolean;
  readonly supply: string;
}

/** A Redis server for tests: TEST_REDIS_URL, set by scripts/test.mjs. */
export const redisServer: Requirement = {
  name: "Redis",
  isMet: Boolean(process.env["TEST_REDIS_URL"]),
  supply: "apt-get install redis-server",
};

/** bubblewrap, for the strongest sandbox. */
export const bubblewrap: Requirement = {
  name: "bubblewrap",
  isMet: existsSync("/usr/bin/bwrap"),
  supply: "apt-get install bubblewrap",
};

/** Where a program gets a wrong clock from: preloaded, since `faketime` itself stays between it and who ends it. */
export const faketimeLibrary: string | undefined = (existsSync("/usr/lib") ? readdirSync("/usr/lib") : [])
  .map((folder) => `/usr/lib/${folder}/faketime/libfaketime.so.1`)
  .find(existsSync);

/** A wrong clock for one process. */
export const faketime: Requirement = {
  name: "faketime",
  isMet: faketimeLibrary !== undefined,
  supply: "apt-get install faketime",
};

/**
 * A `describe` that is skipped where the machine lacks something, with the command that would supply it in
 * its name. With `CI=true` a lack is a failure: `.ci/run` installs everything.
 */
export function describeWith(requirement: Requirement, name: string, body: () => void): void {
  if (requirement.isMet || process.env["CI"] === "true") describe(name, body);
  else describe.skip(`${name} – needs ${requirement.name}: ${requirement.supply}`, body);
}
