// npm run test:faults: the faults of docs/faults.md that take a minute and more each, one after the other, with real
// processes and servers. Arguments go to jest (a file's name, -t F13). Ends with the figures that were measured;
// --record writes them into docs/faults.md.
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { cpus, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { assertNode, ensureReady, root } from "./ensure-ready.mjs";
import { runJest } from "./run-jest.mjs";

const given = process.argv.slice(2).filter((argument) => argument !== "--record");
const isRecorded = process.argv.includes("--record");

assertNode();
ensureReady({ withDevelopment: true });
const folder = mkdtempSync(join(tmpdir(), "headrace-faults-"));
const file = join(folder, "figures.jsonl");
const hasRedis = spawnSync("redis-server", ["--version"], { stdio: "ignore" }).status === 0;
const args = ["--config", join(root, "jest.faults.config.mjs"), "--runInBand", ...given];
const code = await runJest(args, {
  FAULT_FIGURES_FILE: file,
  // tests start servers of their own; this only says that there is one to be had
  ...(hasRedis ? { TEST_REDIS_URL: "redis://127.0.0.1:1" } : {}),
});
const lines = existsSync(file) ? readFileSync(file, "utf8").trim().split("\n") : [];
const figures = lines.map((line) => JSON.parse(line));
rmSync(folder, { recursive: true, force: true });
if (!hasRedis) console.log("Skipped: what needs Redis; supply it with: apt-get install redis-server");
for (const { fault, backend, figures: text } of figures) console.log(`${fault} on ${backend}: ${text}`);
if (isRecorded && code === 0) record();
process.exitCode = code ?? 1;

/** Replaces the rows of the faults that were run just now, and leaves the others as they are. */
function record() {
  const path = join(root, "docs", "faults.md");
  const text = readFileSync(path, "utf8");
  const date = new Date().toISOString().slice(0, 10);
  const machine = `${cpus().length} cores, ${Math.round(totalmem() / 1024 ** 3)} GB`;
  const begin = text.indexOf("<!-- figures -->");
  const end = text.indexOf("<!-- end of figures -->");
  const old = text
    .slice(begin, end)
    .split("\n")
    .filter((line) => /^\| F\d/.test(line));
  const rows = new Map(old.map((line) => [line.split(" | ").slice(0, 2).join(" | "), line]));
  for (const { fault, backend, figures: measured } of figures) {
    const key = `| ${fault} | ${backend}`;
    rows.set(key, `${key} | ${measured} | ${date}, ${machine} |`);
  }
  const number = (line) => Number(/F(\d+)/.exec(line)[1]);
  const sorted = [...rows.values()].sort((one, other) => number(one) - number(other));
  const table = [
    "<!-- figures -->",
    "| fault | queues on | measured | when, where |",
    "| --- | --- | --- | --- |",
  ];
  writeFileSync(path, text.slice(0, begin) + [...table, ...sorted, ""].join("\n") + text.slice(end));
}
