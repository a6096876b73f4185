import { execFile } from "node:child_process";
import { chown, chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, it } from "@jest/globals";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
/** Nobody has it, and no range of step users does. */
const USER = 64_999;
const SUITES = ["executor-core", "executor-languages", "executor-warm"];
const itAsRoot = process.getuid?.() === 0 ? it : it.skip;

/** Workers in containers and on shared machines are seldom root: what the others show of root must hold for them. */
itAsRoot(
  "executors pass their suites for a worker that is not root",
  async () => {
    const home = await mkdtemp(join(tmpdir(), "headrace-unprivileged-"));
    await chmod(home, 0o755);
    await chown(home, USER, USER);
    const jest = [
      "node_modules/jest/bin/jest.js",
      "-c",
      "test/support/jest.unprivileged.config.mjs",
      "--json",
    ];
    try {
      const { stdout } = await promisify(execFile)(
        "setpriv",
        [
          ...[`--reuid=${USER}`, `--regid=${USER}`, "--clear-groups", "--inh-caps=-all", "--no-new-privs"],
          ...[process.execPath, ...jest, ...SUITES.map((name) => `test/integration/${name}.test.ts`)],
        ],
        {
          cwd: ROOT,
          maxBuffer: 64 * 1024 * 1024,
          env: {
            PATH: "/usr/local/bin:/usr/bin:/bin",
            HOME: home,
            TMPDIR: home,
            NODE_OPTIONS: "--experimental-vm-modules --no-warnings",
          },
        },
      ).catch((error: unknown) => error as { stdout: string });
      const { testResults } = JSON.parse(stdout) as {
        testResults: {
          assertionResults: { status: string; fullName: string; failureMessages: string[] }[];
        }[];
      };
      const results = testResults.flatMap(({ assertionResults }) => assertionResults);
      const failed = results.filter(({ status }) => status === "failed");
      expect(failed.map(({ fullName, failureMessages }) => [fullName, failureMessages[0]])).toEqual([]);
      expect(testResults).toHaveLength(SUITES.length);
      expect(results.filter(({ status }) => status === "passed").length).toBeGreaterThan(50);
    } finally {
      await rm(home, { recursive: true, force: true });
    }
  },
  600_000,
);
