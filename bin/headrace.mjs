#!/usr/bin/env node
import { existsSync } from "node:fs";

const [major, minor] = process.versions.node.split(".").map(Number);
const main = new URL("../dist/src/cli/main.js", import.meta.url);
if (major < 20 || (major === 20 && minor < 19)) {
  console.error(`Headrace needs Node 20.19 or newer; this is ${process.versions.node}.`);
  process.exitCode = 1;
} else if (!existsSync(main)) {
  console.error("Headrace is not built yet. Run npm start (which builds it), or npm ci && npm run build.");
  process.exitCode = 1;
} else {
  await import(main.href);
}
