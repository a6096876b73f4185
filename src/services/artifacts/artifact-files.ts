import { createHash, randomUUID } from "node:crypto";
import { constants } from "node:fs";
import type { Readable } from "node:stream";
import { type FileHandle, mkdir, open, rename, rm, stat, utimes } from "node:fs/promises";
import { join } from "node:path";

/** Bytes that are safe on disk. */
export interface StoredBytes {
  readonly sha256: string;
  readonly sizeBytes: number;
  /** The first bytes, for telling the type. */
  readonly head: Buffer;
}

/** Where bytes come from: chunks in order. */
export type ByteSource = AsyncIterable<Uint8Array> | Iterable<Uint8Array>;

/** Stored bytes, made sure of and open for reading. */
export interface OpenBytes {
  /** All of them, or a range (both ends included), as a stream whose end or `destroy` frees it. */
  read(range?: { readonly start: number; readonly end: number }): Promise<Readable>;
  close(): Promise<void>;
}

/** Where the bytes of artifacts lie, each under the SHA-256 of itself. Equal bytes are kept once. */
export interface ArtifactFiles {
  /** Stores what a source yields. @throws when the storage does; no half of anything counts then. */
  write(source: ByteSource): Promise<StoredBytes>;
  /**
   * Opens stored bytes after making sure that they are what their name says; undefined when they are missing,
   * cut short or changed. The caller closes them.
   */
  open(sha256: string, sizeBytes: number): Promise<OpenBytes | undefined>;
  /**
   * Removes bytes that no row names, unless they were stored lately: somebody may be about to name them.
   * @returns false when they have to stay: they are in use, or fresh.
   */
  remove(sha256: string, isInUse: () => Promise<boolean>): Promise<boolean>;
  /** Frees connections. */
  close(): void;
}

/** As much of the beginning as tells the type. */
export const HEAD_BYTES = 4096;
const SHA256 = /^[0-9a-f]{64}$/;
/** Bytes stored within this time may be about to get their row: they are not removed. */
const FRESH_MS = 24 * 3_600_000;
/** Storing bytes again makes them fresh again; more often than this would change nothing. */
const TOUCH_AFTER_MS = 3_600_000;
/** Files whose bytes were compared with their name; bounded, since a name is forgotten rather than trusted. */
const MOST_VERIFIED = 10_000;

/**
 * Content-addressed files: each lies under the SHA-256 of its bytes in two levels of folders, is written to a
 * temporary name, flushed to disk and then renamed, so that a name never stands for half a file. Equal bytes
 * are kept once.
 */
export function createArtifactFiles(root: string): ArtifactFiles {
  const verified = new Map<string, string>();

  function pathOf(sha256: string): string {
    if (!SHA256.test(sha256)) throw new RangeError("not a SHA-256");
    return join(root, sha256.slice(0, 2), sha256.slice(2, 4), sha256);
  }

  async function isStored(sha256: string, sizeBytes: number): Promise<boolean> {
    const path = pathOf(sha256);
    const found = await stat(path).catch(ignoreMissing);
    if (found?.isFile() !== true || found.size !== sizeBytes) return false;
    if (Date.now() - found.mtimeMs < TOUCH_AFTER_MS) return true;
    const now = new Date();
    // gone in between: a removal has overtaken us, and our own copy takes its place
    return (await utimes(path, now, now).then(() => true, ignoreMissing)) === true;
  }

  async function keep(temporary: string, bytes: StoredBytes): Promise<void> {
    const target = pathOf(bytes.sha256);
    if (await isStored(bytes.sha256, bytes.sizeBytes)) return;
    const folder = join(root, bytes.sha256.slice(0, 2), bytes.sha256.slice(2, 4));
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await rename(temporary, target);
    await flushFolder(folder);
  }

  return {
    async write(source: ByteSource): Promise<StoredBytes> {
      const folder = join(root, "incoming");
      await mkdir(folder, { recursive: true, mode: 0o700 });
      const temporary = join(folder, randomUUID());
      try {
        const bytes = await copyToFile(source, temporary);
        await keep(temporary, bytes);
        return bytes;
      } finally {
        await rm(temporary, { force: true });
      }
    },

    async open(sha256: string, sizeBytes: number): Promise<OpenBytes | undefined> {
      const handle = await open(pathOf(sha256), constants.O_RDONLY | constants.O_NOFOLLOW).catch(
        ignoreMissing,
      );
      if (!handle) return undefined;
      try {
        if (await isIntact(handle, sha256, sizeBytes, verified)) return toOpenBytes(handle);
      } catch (error) {
        await handle.close();
        throw error;
      }
      await handle.close();
      return undefined;
    },

    /**
     * They are put aside first and judged once more, so that whoever stores the same bytes meanwhile either makes them
     * fresh before, and they come back, or finds them gone and keeps a copy.
     */
    async remove(sha256: string, isInUse: () => Promise<boolean>): Promise<boolean> {
      return await removeUnused(root, pathOf(sha256), isInUse);
    },
    close: () => undefined,
  };
}

async function removeUnused(root: string, path: string, isInUse: () => Promise<boolean>): Promise<boolean> {
  const found = await stat(path).catch(ignoreMissing);
  if (!found) return true;
  if (isFresh(found.mtimeMs) || (await isInUse())) return false;
  const folder = join(root, "incoming");
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const aside = join(folder, randomUUID());
  await rename(path, aside);
  if (isFresh((await stat(aside)).mtimeMs) || (await isInUse())) {
    await rename(aside, path);
    return false;
  }
  await rm(aside, { force: true });
  return true;
}

function isFresh(mtimeMs: number): boolean {
  return Date.now() - mtimeMs < FRESH_MS;
}

function toOpenBytes(handle: FileHandle): OpenBytes {
  return {
    read: async (range) => handle.createReadStream({ start: 0, ...range, autoClose: false }),
    close: async () => await handle.close(),
  };
}

async function copyToFile(source: ByteSource, path: string): Promise<StoredBytes> {
  const hash = createHash("sha256");
  const head: Uint8Array[] = [];
  let sizeBytes = 0;
  const handle = await open(path, "wx", 0o600);
  try {
    for await (const chunk of source) {
      if (sizeBytes < HEAD_BYTES) head.push(chunk.slice(0, HEAD_BYTES));
      hash.update(chunk);
      await writeFully(handle, chunk);
      sizeBytes += chunk.byteLength;
    }
    await handle.sync();
  } finally {
    await handle.close();
  }
  return { sha256: hash.digest("hex"), sizeBytes, head: Buffer.concat(head).subarray(0, HEAD_BYTES) };
}

async function writeFully(handle: FileHandle, chunk: Uint8Array): Promise<void> {
  let offset = 0;
  while (offset < chunk.byteLength) {
    const { bytesWritten } = await handle.write(chunk, offset);
    offset += bytesWritten;
  }
}

/** Hashes a file once; as long as its inode, size and times stay, the verdict stands. */
async function isIntact(
  handle: FileHandle,
  sha256: string,
  sizeBytes: number,
  verified: Map<string, string>,
): Promise<boolean> {
  const found = await handle.stat();
  if (!found.isFile() || found.size !== sizeBytes) return false;
  const identity = `${found.ino}.${found.mtimeMs}.${found.ctimeMs}`;
  if (verified.get(sha256) === identity) return true;
  const hash = createHash("sha256");
  for await (const chunk of handle.createReadStream({ start: 0, autoClose: false }))
    hash.update(chunk as Buffer);
  if (hash.digest("hex") !== sha256) return false;
  verified.set(sha256, identity);
  const [oldest] = verified.keys();
  if (verified.size > MOST_VERIFIED && oldest !== undefined) verified.delete(oldest);
  return true;
}

/** Makes a rename survive a loss of power. Folders cannot be flushed everywhere; then the rename stands as it is. */
async function flushFolder(path: string): Promise<void> {
  const handle = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function ignoreMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code === "ENOENT" || error.code === "ENOTDIR" || error.code === "ELOOP") return undefined;
  throw error;
}
