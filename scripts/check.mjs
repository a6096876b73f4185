// npm run check: format, lint and types. Each says what it found; the first that fails does not hide the others.
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { assertNode, ensureReady, root } from "./ensure-ready.mjs";

assertNode();
ensureReady({ withDevelopment: true });
const tool = (...path) => join(root, "node_modules", ...path);
const checks = [
  ["lock file", [join(root, "scripts", "complete-lock.mjs"), "--check"]],
  ["format", [tool("@biomejs", "biome", "bin", "biome"), "format", "."]],
  ["lint", [tool("eslint", "bin", "eslint.js"), "."]],
  ["types", [tool("typescript", "bin", "tsc"), "--noEmit"]],
  ["the console's types", [tool("typescript", "bin", "tsc"), "--noEmit", "-p", "dashboard"]],
];
const failed = checks.filter(([name, args]) => {
  console.log(`Checking ${name} …`);
  return spawnSync(process.execPath, args, { cwd: root, stdio: "inherit" }).status !== 0;
});
if (failed.length > 0) {
  console.error(`Failed: ${failed.map(([name]) => name).join(", ")}. npm run format mends the format.`);
  process.exitCode = 1;
}
