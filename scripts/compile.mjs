// Compiles the program's TypeScript to dist, file by file. Types are the business of `npm run check`: without them this takes
// a second or two instead of a minute, which everybody who starts a fresh clone would wait. Another checkout's folder may be
// given: the program of the version before, for one.
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { buildSync } from "esbuild";
import { isSource, root as own, SOURCES } from "./ensure-ready.mjs";

const root = process.argv[2] ?? own;
const entryPoints = SOURCES.flatMap((folder) =>
  readdirSync(join(root, folder), { recursive: true })
    .filter(isSource)
    .map((name) => join(folder, name)),
);

buildSync({
  absWorkingDir: root,
  entryPoints,
  outdir: "dist",
  outbase: ".",
  format: "esm",
  platform: "node",
  target: "node20.19",
  sourcemap: true,
});
