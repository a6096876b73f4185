import { access, readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";

/**
 * The path of a file of `runtime/` beside the module whose `import.meta.url` is `from`. The build does not copy these:
 * they are taken from the sources, which a checkout has beside `dist/`, or from beside the module where somebody packed
 * them there.
 * @throws Error naming every place that was looked in.
 */
export async function findRuntimeFile(name: string, from: string = import.meta.url): Promise<string> {
  const beside = fileURLToPath(new URL(`./runtime/${name}`, from));
  const source = beside.replace(
    /([\\/])dist[\\/](src|workers)[\\/](?!.*[\\/]dist[\\/](?:src|workers)[\\/])/,
    "$1$2$1",
  );
  const places = [...new Set([source, beside])];
  for (const place of places) {
    if (await canRead(place)) return place;
  }
  throw new Error(`${name} was not found at ${places.join(" or ")}`);
}

/** The text of a file of `runtime/`, see {@link findRuntimeFile}. */
export async function loadRuntimeFile(name: string, from?: string): Promise<string> {
  return await readFile(await findRuntimeFile(name, from), "utf8");
}

async function canRead(path: string): Promise<boolean> {
  return await access(path).then(
    () => true,
    () => false,
  );
}
