// npm test: provides PostgreSQL and Redis, runs jest with the arguments given, and says what was skipped and why.
// The last line is always "N passed, N failed, N skipped".
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { assertNode, ensureReady, root } from "./ensure-ready.mjs";
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
const NOTHING = { passed: 0, failed: 1, skipped: 0, lacks: [], inapplicable: [], failedFiles: [] };
let totals = NOTHING;
try {
  totals = await runTests(given);
  if (given.length === 0 && totals.failedFiles.length > 0) totals = await runAgain(totals);
} finally {
  await redis?.stop();
  await postgres.stop();
  rmSync(folder, { recursive: true, force: true });
  report(totals);
}

/**
 * A machine that is busy for a moment can make a test miss its time: of a whole run, the files that failed are run
 * once more, one by one, and those that pass then are named, since they need a look all the same.
 */
async function runAgain(first) {
  console.error(`Again, one by one: ${first.failedFiles.map((file) => relative(root, file)).join(", ")}`);
  const second = await runTests(["--runInBand", "--runTestsByPath", ...first.failedFiles]);
  const unsteady = first.failedFiles.filter((file) => !second.failedFiles.includes(file));
  return {
    ...first,
    passed: first.passed - first.passedInFailed + second.passed,
    failed: second.failed,
    unsteady: unsteady.map((file) => relative(root, file)),
  };
}

async function runTests(args) {
  const resultFile = join(folder, `results-${Date.now()}.json`);
  const environment = { TEST_DATABASE_URL: postgres.url, ...(redis && { TEST_REDIS_URL: redis.url }) };
  return readTotals(
    resultFile,
    await runJest(["--json", `--outputFile=${resultFile}`, ...args], environment),
  );
}

function readTotals(resultFile, code) {
  let results;
  try {
    results = JSON.parse(readFileSync(resultFile, "utf8"));
  } catch {
    return NOTHING; // jest itself did not get to its end
  }
  const tests = results.testResults.flatMap((suite) => suite.assertionResults);
  const failedSuites = results.testResults.filter((suite) => suite.status === "failed");
  const inFailed = failedSuites.flatMap((suite) => suite.assertionResults);
  const skipped = tests.filter((test) => test.status === "pending" || test.status === "todo");
  const titlesWith = (words) =>
    skipped.flatMap((test) => test.ancestorTitles.filter((title) => title.includes(words)));
  // a suite that could not even be loaded is a failure, although it holds no failed test
  const failed = results.numFailedTests + results.numRuntimeErrorTestSuites;
  return {
    passed: results.numPassedTests,
    failed: failed === 0 && code !== 0 ? 1 : failed,
    skipped: skipped.length,
    lacks: [...new Set(titlesWith(" needs "))],
    // what no command could supply on this machine: said, counted, and no reason to fail
    inapplicable: titlesWith(" not applicable "),
    failedFiles: failedSuites.map((suite) => suite.name),
    passedInFailed: inFailed.filter((test) => test.status === "passed").length,
  };
}

function report({ passed, failed, skipped, lacks, inapplicable, unsteady = [] }) {
  const lines = [...lacks, ...new Set(inapplicable)].map((title) => `Skipped: ${title}`);
  lines.push(...unsteady.map((file) => `Unsteady, passed only by itself: ${file}`));
  if (!redis) lines.push(`Skipped: what needs Redis; supply it with: ${REDIS_SUPPLY}`);
  for (const line of lines) console.log(line);
  const mustNotSkip = isCi && given.length === 0 && (skipped > inapplicable.length || !redis);
  if (mustNotSkip) console.log("CI=true: nothing may be skipped.");
  if (failed > 0 || mustNotSkip) process.exitCode = 1;
  console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
}
