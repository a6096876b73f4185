// npm run simulate: the engine's core under a seeded simulation of everything around it. `--help` lists the arguments.
import { join } from "node:path";
import { assertNode, ensureReady, root } from "./ensure-ready.mjs";

assertNode();
ensureReady({ withDevelopment: true });
const { build } = await import("esbuild");
const outfile = join(root, "dist", "simulation", "main.mjs");
await build({
  entryPoints: [join(root, "test", "simulation", "main.ts")],
  outfile,
  bundle: true,
  platform: "node",
  format: "esm",
  target: "node20",
  packages: "external",
  sourcemap: true,
  logLevel: "warning",
});
const { main } = await import(outfile);
if (!main(process.argv.slice(2))) process.exitCode = 1;
