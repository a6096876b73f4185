// npm test: provides PostgreSQL and Redis, runs jest with the arguments given, and says what was skipped and why.
// The last line is always "N passed, N failed, N skipped".
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { assertNode, ensureReady } from "./ensure-ready.mjs";
import { runJest } from "./run-jest.mjs";

const REDIS_SUPPLY = "apt-get install redis-server";
const isCi = process.env.CI === "true";
const given = process.argv.slice(2);

assertNode();
ensureReady({ withDevelopment: true });
const { providePostgres, provideRedis } = await import("./test-services.mjs");
const postgres = await providePostgres();
const redis = await provideRedis();
const folder = mkdtempSync(join(tmpdir(), "headrace-jest-"));
let totals = { passed: 0, failed: 1, skipped: 0, lacks: [] };
try {
  const resultFile = join(folder, "results.json");
  const environment = { TEST_DATABASE_URL: postgres.url, ...(redis && { TEST_REDIS_URL: redis.url }) };
  totals = readTotals(
    resultFile,
    await runJest(["--json", `--outputFile=${resultFile}`, ...given], environment),
  );
} finally {
  await redis?.stop();
  await postgres.stop();
  rmSync(folder, { recursive: true, force: true });
  report(totals);
}

function readTotals(resultFile, code) {
  let results;
  try {
    results = JSON.parse(readFileSync(resultFile, "utf8"));
  } catch {
    return { passed: 0, failed: 1, skipped: 0, lacks: [] }; // jest itself did not get to its end
  }
  const tests = results.testResults.flatMap((suite) => suite.assertionResults);
  const skipped = tests.filter((test) => test.status === "pending" || test.status === "todo");
  const lacks = new Set(
    skipped.flatMap((test) => test.ancestorTitles.filter((title) => title.includes(" needs "))),
  );
  // a suite that could not even be loaded is a failure, although it holds no failed test
  const failed = results.numFailedTests + results.numRuntimeErrorTestSuites;
  return {
    passed: results.numPassedTests,
    failed: failed === 0 && code !== 0 ? 1 : failed,
    skipped: skipped.length,
    lacks: [...lacks],
  };
}

function report({ passed, failed, skipped, lacks }) {
  const lines = lacks.map((title) => `Skipped: ${title}`);
  if (!redis) lines.push(`Skipped: what needs Redis; supply it with: ${REDIS_SUPPLY}`);
  for (const line of lines) console.log(line);
  const mustNotSkip = isCi && given.length === 0 && (skipped > 0 || !redis);
  if (mustNotSkip) console.log("CI=true: nothing may be skipped.");
  if (failed > 0 || mustNotSkip) process.exitCode = 1;
  console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
}
