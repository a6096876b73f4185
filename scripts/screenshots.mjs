// npm run screenshots: drives the console through its pages and keeps a picture of each in docs/screenshots.
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { root } from "./ensure-ready.mjs";

const PAGES = ["console-pages", "console-author-pages"].map((name) => `test/integration/${name}.test.ts`);

const done = spawnSync(
  process.execPath,
  [join(root, "scripts", "test.mjs"), ...PAGES, ...process.argv.slice(2)],
  { cwd: root, stdio: "inherit", env: { ...process.env, HEADRACE_SCREENSHOTS: "keep" } },
);
process.exitCode = done.status ?? 1;
