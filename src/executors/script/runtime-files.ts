import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";

/**
 * The text of a file of the `runtime/` beside a module, by default this one. The build does not copy these: they are read from the sources, which a
 * checkout has beside `dist/`, or from beside this module where somebody packed them there.
 * @throws Error naming every place that was looked in.
 */
export async function loadRuntimeFile(name: string, moduleUrl = import.meta.url): Promise<string> {
  const beside = fileURLToPath(new URL(`./runtime/${name}`, moduleUrl));
  const source = beside.replace(/([\\/])dist[\\/]src[\\/](?!.*[\\/]dist[\\/]src[\\/])/, "$1src$1");
  const places = [...new Set([source, beside])];
  for (const place of places) {
    const text = await readFile(place, "utf8").catch(() => undefined);
    if (text !== undefined) return text;
  }
  throw new Error(`${name} was not found at ${places.join(" or ")}`);
}
