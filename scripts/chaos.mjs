// npm run test:chaos: a real installation under faults. `--help` lists the arguments.
import { join } from "node:path";
import { assertNode, ensureReady, root } from "./ensure-ready.mjs";

assertNode();
ensureReady({ withDevelopment: true });
const { build } = await import("esbuild");
const outfile = join(root, "dist", "chaos", "main.mjs");
await build({
  entryPoints: [join(root, "test", "chaos", "main.ts")],
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
process.exit(await main(process.argv.slice(2)));
