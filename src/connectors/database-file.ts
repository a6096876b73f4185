import { existsSync, realpathSync } from "node:fs";
import { dirname, isAbsolute, join, relative, resolve, sep } from "node:path";

/** Folders of the data folder that are Headrace's own, or hold what users' code wrote. */
const OWN_FOLDERS = new Set(["postgres", "artifacts", "work", "cache", "run"]);
const ENDING = /\.(?:db|db3|sqlite|sqlite3|duckdb|ddb)$/;

/**
 * Where a file of a database lies: inside the data folder, links followed, and none of Headrace's own.
 * @returns the path, or why it cannot be used.
 */
export function findDatabaseFile(
  dataDir: string,
  name: string,
): { readonly path: string } | { readonly fault: string } {
  if (!ENDING.test(name)) return { fault: "must be a file that ends in .db, .sqlite, .sqlite3 or .duckdb" };
  if (/[\0-\x1f\\?*#%]|^[a-z]+:/i.test(name)) return { fault: "must be a plain path, no URL" };
  const root = existsSync(dataDir) ? realpathSync(dataDir) : resolve(dataDir);
  const wanted = isAbsolute(name) ? resolve(name) : join(root, name);
  const folder = dirname(wanted);
  if (!existsSync(folder))
    return isInside(root, wanted) ? { fault: "is in a folder that is not there" } : OUTSIDE;
  const path = existsSync(wanted)
    ? realpathSync(wanted)
    : join(realpathSync(folder), wanted.slice(folder.length + 1));
  if (!isInside(root, path)) return OUTSIDE;
  const [first = ""] = relative(root, path).split(sep);
  return OWN_FOLDERS.has(first) || first.startsWith(".") ? OUTSIDE : { path };
}

const OUTSIDE = { fault: "must be inside the data folder, outside of what Headrace keeps there" };

function isInside(root: string, path: string): boolean {
  return path.startsWith(root.endsWith(sep) ? root : root + sep);
}
