// `npm run bench`: installs and builds what is missing, then runs the benchmark. Only Node's own modules.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
process.chdir(root);

/** Runs a command with its output on stderr, so that `--json` has stdout for itself. */
function runOrExit(command, args) {
  const { status, error } = spawnSync(command, args, { stdio: ["ignore", 2, 2] });
  if (status === 0) return;
  process.stderr.write(`${command} ${args.join(" ")} failed${error ? `: ${error.message}` : ""}\n`);
  process.exit(1);
}

const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  process.stderr.write(`Headrace needs Node 20.19 or newer; this is ${process.version}.\n`);
  process.exit(1);
}
if (!existsSync("node_modules/typescript")) runOrExit("npm", ["ci"]);
runOrExit(process.execPath, ["node_modules/typescript/bin/tsc", "-p", "tsconfig.build.json"]);
await import("../dist/bench/run-bench.js");
