import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";

/**
 * The text of a file of `workers/sandbox/runtime/`. The build does not copy these: a checkout and a package have them
 * beside `dist/`.
 */
export async function loadSandboxFile(name: string): Promise<string> {
  const beside = fileURLToPath(new URL(`./runtime/${name}`, import.meta.url));
  const source = beside.replace(
    /([\\/])dist[\\/]workers[\\/](?!.*[\\/]dist[\\/]workers[\\/])/,
    "$1workers$1",
  );
  return await readFile(source, "utf8").catch(() => readFile(beside, "utf8"));
}
