import { chownSync, type Dirent, lchownSync, lstatSync, opendirSync, rmdirSync, unlinkSync } from "node:fs";
import { join } from "node:path";

/** What a folder may hold to be dealt with at once, on this thread: most executions leave a file or two. */
const MOST_ENTRIES = 32;
/** Taking a large file's blocks apart keeps a disk busy for long. */
const MOST_BYTES = 1024 * 1024;

/**
 * Deletes a folder if it holds little. Each call takes microseconds, where a way through the pool of threads and back
 * takes longer than all of them. Links are not followed.
 * @returns false when it holds too much, or something is out of the ordinary: part of it may be gone by then.
 */
export function removeSmall(folder: string): boolean {
  return attempt(() => {
    const found = listSmall(folder);
    if (!found) return false;
    for (const { path } of found.files) unlinkSync(path);
    for (const path of found.folders.reverse()) rmdirSync(path);
    return true;
  });
}

/**
 * Gives a folder that holds little, and all in it, to a user. Links are not followed, and a file with a second name is
 * left alone. @returns false as {@link removeSmall} does.
 */
export function giveAwaySmall(folder: string, uid: number): boolean {
  return attempt(() => {
    const found = listSmall(folder);
    if (!found) return false;
    for (const { path, hasOneName } of found.files) if (hasOneName) lchownSync(path, uid, uid);
    for (const path of found.folders.reverse()) chownSync(path, uid, uid);
    return true;
  });
}

interface SmallFolder {
  /** Parents first. */
  readonly folders: string[];
  readonly files: { readonly path: string; readonly hasOneName: boolean }[];
}

function listSmall(root: string): SmallFolder | undefined {
  const found: SmallFolder = { folders: [root], files: [] };
  let count = 0;
  for (let at = 0; at < found.folders.length; at += 1) {
    const folder = found.folders[at] ?? root;
    for (const entry of readAtMost(folder, MOST_ENTRIES + 1 - count)) {
      count += 1;
      if (count > MOST_ENTRIES) return undefined;
      const path = join(folder, entry.name);
      if (entry.isDirectory()) {
        found.folders.push(path);
        continue;
      }
      const { size, nlink, isLink } = look(path);
      if (size > MOST_BYTES) return undefined;
      found.files.push({ path, hasOneName: nlink === 1 || isLink });
    }
  }
  return found;
}

function readAtMost(folder: string, limit: number): Dirent[] {
  const opened = opendirSync(folder);
  try {
    const entries: Dirent[] = [];
    while (entries.length < limit) {
      const entry = opened.readSync();
      if (!entry) break;
      entries.push(entry);
    }
    return entries;
  } finally {
    opened.closeSync();
  }
}

function look(path: string) {
  const found = lstatSync(path);
  return { size: found.size, nlink: found.nlink, isLink: found.isSymbolicLink() };
}

/** Whatever fails is left to the way that is right for all folders. */
function attempt(work: () => boolean): boolean {
  try {
    return work();
  } catch {
    return false;
  }
}
