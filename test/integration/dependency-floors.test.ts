import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "@jest/globals";
import semver from "semver";

/**
 * The least versions without the faults that peers were hurt by. Where a registry answers no `npm audit`, this is what
 * is left of it; where one does, it is the part that must not depend on what the registry knows today.
 */
const FLOORS: Readonly<Record<string, string>> = {
  "@modelcontextprotocol/sdk": "1.25.2", // CVE-2026-0621; Host and Origin
  "jsonwebtoken": "9.0.0", // CVE-2022-23540, -23541
  "jws": "4.0.1", // CVE-2025-65945
  "passport-jwt": "4.0.1",
  "liquidjs": "10.26.0", // CVE-2026-44645, -45617, -41311, -35525
  "bullmq": "6.3.3", // #4585: wedged for ever after an outage
  "ioredis": "6.0.0",
  "qs": "6.14.2", // CVE-2025-15284, CVE-2026-2391
  "express": "5.0.0",
  "body-parser": "2.2.1", // CVE-2025-13466
  "path-to-regexp": "8.0.0", // CVE-2024-45296
  "cookie": "0.7.0", // CVE-2024-47764
  "send": "1.1.0", // CVE-2024-43799
  "serve-static": "2.1.0", // CVE-2024-43800
  "cross-spawn": "7.0.5", // CVE-2024-21538
  "semver": "7.5.2", // CVE-2022-25883
  "ws": "8.17.1", // CVE-2024-37890
  "undici": "7.5.0", // CVE-2025-47279
  "node-fetch": "3.1.1", // CVE-2022-0235
  "mysql2": "3.9.8", // CVE-2024-21508, -21511
  "pg": "8.0.0",
  "jsonata": "2.0.4", // CVE-2024-27307
  "lodash": "4.17.21", // CVE-2021-23337
};

/** What peers were broken into by, and what has no business here. */
const ABSENT = [
  ...["vm2", "isolated-vm", "multer", "simple-git", "node-tar", "tar", "ip", "ssrfcheck", "axios", "request", "serialize-javascript"],
  ...["node-serialize", "mcp-remote", "libxmljs", "shelljs", "execa", "pyodide", "jsonpath", "jsonpath-plus", "mathjs"],
];

interface Locked {
  readonly version?: string;
  readonly dev?: boolean;
  readonly optional?: boolean;
}

const lockFile = fileURLToPath(new URL("../../package-lock.json", import.meta.url));
const { packages } = JSON.parse(readFileSync(lockFile, "utf8")) as { packages: Record<string, Locked> };
/** Everything that is installed in production, however deep: name and version. */
const installed = Object.entries(packages)
  .filter(([path, { dev }]) => path.includes("node_modules/") && dev !== true)
  .map(([path, { version = "" }]) => ({ path, name: path.slice(path.lastIndexOf("node_modules/") + 13), version }));

describe("what is installed in production", () => {
  it.each(Object.entries(FLOORS))("%s is at least %s, wherever it lies", (name, floor) => {
    const found = installed.filter((each) => each.name === name);
    // a floor for what is not there any more is to be removed
    expect([name, found.length > 0]).toEqual([name, true]);
    expect(found.filter(({ version }) => !semver.gte(version, floor))).toEqual([]);
  });

  it("has nothing of what peers were broken into by", () => {
    expect(installed.filter(({ name }) => ABSENT.includes(name)).map(({ path }) => path)).toEqual([]);
  });

  it("is what the lock file says", () => {
    for (const { path, version } of installed) {
      const file = fileURLToPath(new URL(`../../${path}/package.json`, import.meta.url));
      // packages for other machines are not installed
      if (!existsSync(file)) continue;
      const found = JSON.parse(readFileSync(file, "utf8")) as { version: string };
      expect([path, found.version]).toEqual([path, version]);
    }
  });
});
