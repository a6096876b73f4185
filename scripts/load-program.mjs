// Programs of test/ that are no tests: bundled into dist and loaded.
import { join } from "node:path";
import { assertNode, ensureReady, root } from "./ensure-ready.mjs";

/** Bundles `test/<name>/main.ts` and loads it. @returns what it exports. */
export async function loadProgram(name) {
  assertNode();
  ensureReady({ withDevelopment: true });
  const { build } = await import("esbuild");
  const outfile = join(root, "dist", name, "main.mjs");
  await build({
    entryPoints: [join(root, "test", name, "main.ts")],
    outfile,
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node20",
    packages: "external",
    sourcemap: true,
    logLevel: "warning",
  });
  return await import(outfile);
}
