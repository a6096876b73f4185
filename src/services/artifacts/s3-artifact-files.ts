import { createHash, randomUUID } from "node:crypto";
import type { Readable } from "node:stream";
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
} from "@aws-sdk/client-s3";
import {
  type ArtifactFiles,
  type ByteSource,
  HEAD_BYTES,
  type OpenBytes,
  type StoredBytes,
} from "./artifact-files.js";

/** Where the objects lie. */
export interface S3Location {
  readonly bucket: string;
  /** Unset: AWS. */
  readonly endpoint?: string | undefined;
  readonly region: string;
  /** In front of every key. */
  readonly prefix: string;
  /** Unset: what the SDK finds on this machine. */
  readonly credentials?: { readonly accessKeyId: string; readonly secretAccessKey: string } | undefined;
  readonly forcePathStyle: boolean;
}

/** How long a store may take, in milliseconds; the SDK itself waits without an end. Each request is tried three times. */
export interface S3Limits {
  readonly connectMs: number;
  /** From a request to the head of its answer: a part of 8 MiB goes out meanwhile, or the store copies a gigabyte. */
  readonly requestMs: number;
  /** Without a byte in either direction. */
  readonly idleMs: number;
}

const DEFAULT_LIMITS: S3Limits = { connectMs: 5_000, requestMs: 120_000, idleMs: 120_000 };

/** S3 takes no smaller parts, but for the last. */
const PART_BYTES = 8 * 1024 * 1024;
const FRESH_MS = 24 * 3_600_000;
const TOUCH_AFTER_MS = 3_600_000;
const MOST_VERIFIED = 10_000;
const SHA256 = /^[0-9a-f]{64}$/;

interface Bucket {
  readonly client: S3Client;
  readonly name: string;
  keyOf(sha256: string): string;
  temporaryKey(): string;
}

interface FoundObject {
  readonly sizeBytes: number;
  readonly etag: string;
  readonly modifiedAt: number;
}

/**
 * Content-addressed objects in a bucket of S3 or what speaks like it: each lies under the SHA-256 of its bytes, equal
 * bytes once. Small bytes go in one request; large ones in parts to a key of their own, from which they are copied, so
 * that a hash never names half an object. No more than one part is held in memory.
 */
export function createS3ArtifactFiles(
  location: S3Location,
  limits: S3Limits = DEFAULT_LIMITS,
): ArtifactFiles {
  const { bucket: name, prefix, endpoint, region, credentials, forcePathStyle } = location;
  const client = new S3Client({
    region,
    forcePathStyle,
    requestHandler: {
      connectionTimeout: limits.connectMs,
      requestTimeout: limits.requestMs,
      throwOnRequestTimeout: true,
      socketTimeout: limits.idleMs,
    },
    ...(endpoint && { endpoint }),
    ...(credentials && { credentials }),
  });
  const bucket: Bucket = {
    client,
    name,
    keyOf(sha256) {
      if (!SHA256.test(sha256)) throw new RangeError("not a SHA-256");
      return `${prefix}${sha256.slice(0, 2)}/${sha256.slice(2, 4)}/${sha256}`;
    },
    temporaryKey: () => `${prefix}incoming/${randomUUID()}`,
  };
  const verified = new Map<string, string>();
  return {
    write: async (source) => await write(bucket, source),
    open: async (sha256, sizeBytes) => await open(bucket, sha256, sizeBytes, verified),
    remove: async (sha256, isInUse) => await remove(bucket, bucket.keyOf(sha256), isInUse),
    close: () => client.destroy(),
  };
}

async function write(bucket: Bucket, source: ByteSource): Promise<StoredBytes> {
  const hash = createHash("sha256");
  const head: Uint8Array[] = [];
  let sizeBytes = 0;
  let held: Uint8Array[] = [];
  let heldBytes = 0;
  const upload = createUpload(bucket);
  try {
    for await (const chunk of source) {
      if (sizeBytes < HEAD_BYTES) head.push(chunk.slice(0, HEAD_BYTES));
      hash.update(chunk);
      sizeBytes += chunk.byteLength;
      held.push(chunk);
      heldBytes += chunk.byteLength;
      if (heldBytes < PART_BYTES) continue;
      await upload.addPart(Buffer.concat(held));
      held = [];
      heldBytes = 0;
    }
    const sha256 = hash.digest("hex");
    const key = bucket.keyOf(sha256);
    if (!(await isStored(bucket, key, sizeBytes))) await upload.finish(Buffer.concat(held), key);
    return { sha256, sizeBytes, head: Buffer.concat(head).subarray(0, HEAD_BYTES) };
  } finally {
    await upload.discard();
  }
}

/** Begins an upload in parts once there is a part; what fits into one request never does. */
function createUpload(bucket: Bucket) {
  const { client, name: Bucket } = bucket;
  const Key = bucket.temporaryKey();
  const parts: { ETag: string | undefined; PartNumber: number }[] = [];
  let UploadId: string | undefined;
  let isCopied = false;

  async function addPart(bytes: Buffer): Promise<void> {
    UploadId ??= (await client.send(new CreateMultipartUploadCommand({ Bucket, Key }))).UploadId;
    const PartNumber = parts.length + 1;
    const { ETag } = await client.send(
      new UploadPartCommand({ Bucket, Key, UploadId, PartNumber, Body: bytes }),
    );
    parts.push({ ETag, PartNumber });
  }

  return {
    addPart,
    /** Puts the rest, and all of it under its key. */
    async finish(rest: Buffer, key: string): Promise<void> {
      if (UploadId === undefined) {
        await client.send(new PutObjectCommand({ Bucket, Key: key, Body: rest }));
        return;
      }
      if (rest.length > 0) await addPart(rest);
      await client.send(
        new CompleteMultipartUploadCommand({ Bucket, Key, UploadId, MultipartUpload: { Parts: parts } }),
      );
      isCopied = true;
      await copy(bucket, Key, key);
    },
    /** Leaves nothing behind of an upload in parts. */
    async discard(): Promise<void> {
      if (UploadId === undefined) return;
      const command = isCopied
        ? new DeleteObjectCommand({ Bucket, Key })
        : new AbortMultipartUploadCommand({ Bucket, Key, UploadId });
      // what stays is swept by a lifecycle rule of the bucket; the artifact itself is safe or was refused
      await client.send(command as DeleteObjectCommand).catch(() => undefined);
    },
  };
}

async function copy({ client, name: Bucket }: Bucket, from: string, to: string): Promise<void> {
  await client.send(
    new CopyObjectCommand({
      Bucket,
      Key: to,
      CopySource: encodeURI(`${Bucket}/${from}`),
      MetadataDirective: "REPLACE",
    }),
  );
}

async function find({ client, name: Bucket }: Bucket, Key: string): Promise<FoundObject | undefined> {
  const found = await client.send(new HeadObjectCommand({ Bucket, Key })).catch(ignoreMissing);
  if (!found) return undefined;
  return {
    sizeBytes: found.ContentLength ?? -1,
    etag: found.ETag ?? "",
    modifiedAt: found.LastModified?.getTime() ?? 0,
  };
}

async function isStored(bucket: Bucket, key: string, sizeBytes: number): Promise<boolean> {
  const found = await find(bucket, key);
  // an old object is written anew: that makes it fresh, so that no removal takes it meanwhile
  return found?.sizeBytes === sizeBytes && Date.now() - found.modifiedAt < TOUCH_AFTER_MS;
}

async function open(
  bucket: Bucket,
  sha256: string,
  sizeBytes: number,
  verified: Map<string, string>,
): Promise<OpenBytes | undefined> {
  const key = bucket.keyOf(sha256);
  const found = await find(bucket, key);
  if (found?.sizeBytes !== sizeBytes) return undefined;
  const { etag } = found;
  const identity = `${etag}.${found.modifiedAt}`;
  if (verified.get(sha256) !== identity) {
    if (!(await isIntact(bucket, key, etag, sha256))) return undefined;
    verified.set(sha256, identity);
    const [oldest] = verified.keys();
    if (verified.size > MOST_VERIFIED && oldest !== undefined) verified.delete(oldest);
  }
  return {
    read: async (range) => await readObject(bucket, key, etag, range),
    close: async () => undefined,
  };
}

/** Only as long as the object is the one that was looked at. */
async function readObject(
  { client, name: Bucket }: Bucket,
  Key: string,
  IfMatch: string,
  range?: { readonly start: number; readonly end: number },
): Promise<Readable> {
  const Range = range && `bytes=${range.start}-${range.end}`;
  const { Body } = await client.send(new GetObjectCommand({ Bucket, Key, IfMatch, ...(Range && { Range }) }));
  return Body as Readable;
}

async function isIntact(bucket: Bucket, key: string, etag: string, sha256: string): Promise<boolean> {
  const body = await readObject(bucket, key, etag).catch(ignoreMissing);
  if (!body) return false;
  const hash = createHash("sha256");
  for await (const chunk of body) hash.update(chunk as Buffer);
  return hash.digest("hex") === sha256;
}

async function remove(bucket: Bucket, key: string, isInUse: () => Promise<boolean>): Promise<boolean> {
  const found = await find(bucket, key);
  if (!found) return true;
  if (Date.now() - found.modifiedAt < FRESH_MS || (await isInUse())) return false;
  const { client, name: Bucket } = bucket;
  const aside = bucket.temporaryKey();
  await copy(bucket, key, aside);
  try {
    await client.send(new DeleteObjectCommand({ Bucket, Key: key }));
    // somebody has stored the same bytes meanwhile: they get them back
    if (!(await isInUse())) return true;
    await copy(bucket, aside, key);
    return false;
  } finally {
    await client.send(new DeleteObjectCommand({ Bucket, Key: aside }));
  }
}

function ignoreMissing(error: { name?: string; $metadata?: { httpStatusCode?: number } }): undefined {
  const status = error.$metadata?.httpStatusCode;
  if (status === 404 || status === 412 || error.name === "NoSuchKey" || error.name === "NotFound")
    return undefined;
  throw error;
}
