import { constants, existsSync, lstatSync, opendirSync } from "node:fs";
import { type FileHandle, open, opendir } from "node:fs/promises";
import { join } from "node:path";

/** Limits of one walk. */
export interface WalkLimits {
  readonly maxFiles: number;
  /** Of all files together, by apparent size: a sparse file counts in full. */
  readonly maxTotalBytes: number;
  readonly maxDepth: number;
  /** Entries looked at, refused ones included: ends a walk through a folder of a million FIFOs. */
  readonly maxEntries: number;
}

/** A regular file found, open for reading. */
export interface FoundFile {
  /** Relative to the folder, with `/`. */
  readonly name: string;
  readonly sizeBytes: number;
  readonly handle: FileHandle;
}

/** What a walk calls back with. */
export interface WalkVisitor {
  /** The handle is closed when this returns. */
  onFile(file: FoundFile): Promise<void>;
  onRefused(reason: string): void;
}

interface Walk {
  readonly limits: WalkLimits;
  readonly visitor: WalkVisitor;
  readonly signal: AbortSignal | undefined;
  fileCount: number;
  totalBytes: number;
  entryCount: number;
  isOver: boolean;
}

/** Linux can name an open folder, which makes "open this entry of that folder" safe from swapped parents. */
const HAS_PROC_FD = existsSync("/proc/self/fd");
const FOLDER_FLAGS = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;
/** Without O_NONBLOCK, opening a FIFO would wait for its writer for ever. */
const FILE_FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/**
 * Walks a folder that hostile code has written. Follows no symbolic link, opens no FIFO or device for long enough
 * to wait, refuses hard links, and stops at its limits; each refusal is told in one line.
 */
export async function walkFolder(
  folder: string,
  limits: WalkLimits,
  visitor: WalkVisitor,
  signal?: AbortSignal,
): Promise<void> {
  if (isEmptyFolder(folder)) return;
  const walk: Walk = { limits, visitor, signal, fileCount: 0, totalBytes: 0, entryCount: 0, isOver: false };
  await visitFolder(walk, folder, "", 0);
}

/** Most steps leave no files. Asking takes microseconds here, and a millisecond by way of the pool of threads. */
function isEmptyFolder(path: string): boolean {
  try {
    if (!lstatSync(path).isDirectory()) return false;
    const opened = opendirSync(path);
    try {
      return opened.readSync() === null;
    } finally {
      opened.closeSync();
    }
  } catch {
    return false;
  }
}

async function visitFolder(walk: Walk, path: string, prefix: string, depth: number): Promise<void> {
  const handle = await openEntry(walk, path, FOLDER_FLAGS, prefix || ".");
  if (!handle) return;
  try {
    const here = HAS_PROC_FD ? `/proc/self/fd/${handle.fd}` : path;
    // collected first: adding to what is being listed has no defined order
    const names: { name: string; isFolder: boolean }[] = [];
    for await (const entry of await opendir(here)) {
      walk.entryCount += 1;
      if (walk.entryCount > walk.limits.maxEntries) {
        stop(walk, `more than ${walk.limits.maxEntries} entries: the rest is not looked at`);
        break;
      }
      names.push({ name: entry.name, isFolder: entry.isDirectory() });
    }
    names.sort((one, other) => (one.name < other.name ? -1 : 1));
    for (const { name, isFolder } of names) {
      if (walk.isOver) return;
      walk.signal?.throwIfAborted();
      const relative = prefix ? `${prefix}/${name}` : name;
      if (!isFolder) await visitFile(walk, join(here, name), relative);
      else if (depth + 1 > walk.limits.maxDepth)
        refuse(walk, relative, `folders nest more than ${walk.limits.maxDepth} deep`);
      else await visitFolder(walk, join(here, name), relative, depth + 1);
    }
  } finally {
    await handle.close();
  }
}

async function visitFile(walk: Walk, path: string, name: string): Promise<void> {
  const handle = await openEntry(walk, path, FILE_FLAGS, name);
  if (!handle) return;
  try {
    const found = await handle.stat();
    if (!found.isFile()) return refuse(walk, name, "is no regular file");
    if (found.nlink !== 1) return refuse(walk, name, "is a hard link");
    if (walk.fileCount >= walk.limits.maxFiles) {
      return stop(walk, `more than ${walk.limits.maxFiles} files: the rest is not kept`);
    }
    if (walk.totalBytes + found.size > walk.limits.maxTotalBytes) {
      return refuse(
        walk,
        name,
        `its ${found.size} bytes exceed the ${walk.limits.maxTotalBytes} that may be kept in all`,
      );
    }
    walk.fileCount += 1;
    walk.totalBytes += found.size;
    await walk.visitor.onFile({ name, sizeBytes: found.size, handle });
  } finally {
    await handle.close();
  }
}

async function openEntry(
  walk: Walk,
  path: string,
  flags: number,
  name: string,
): Promise<FileHandle | undefined> {
  try {
    return await open(path, flags);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === undefined) throw error;
    if (name === "." && code === "ENOENT") return undefined;
    refuse(walk, name, REASONS[code] ?? `cannot be opened (${code})`);
    return undefined;
  }
}

const REASONS: Readonly<Record<string, string>> = {
  ELOOP: "is a symbolic link",
  ENOTDIR: "is a symbolic link",
  ENXIO: "is a FIFO, socket or device",
  ENODEV: "is a FIFO, socket or device",
  ENOENT: "has a name that is not valid UTF-8, or is gone",
  EACCES: "may not be read",
  EPERM: "may not be read",
};

function refuse(walk: Walk, name: string, reason: string): void {
  walk.visitor.onRefused(`${printable(name)} ${reason}`);
}

function stop(walk: Walk, reason: string): void {
  walk.isOver = true;
  walk.visitor.onRefused(reason);
}

/** A name fit for a log line. */
function printable(name: string): string {
  const clean = name.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, "\ufffd");
  return clean.length > 200 ? `${clean.slice(0, 200)}…` : clean;
}
