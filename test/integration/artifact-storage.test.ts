import { randomBytes } from "node:crypto";
import { mkdtemp, readdir, readFile, rm, utimes, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import type { Server } from "node:http";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { CreateBucketCommand, DeleteObjectCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { type ArtifactFiles, createArtifactFiles } from "../../src/services/artifacts/artifact-files.js";
import { createS3ArtifactFiles } from "../../src/services/artifacts/s3-artifact-files.js";

/** One kind of storage under test, with ways to harm what it holds. */
interface Subject {
  readonly files: ArtifactFiles;
  overwrite(sha256: string, bytes: Buffer): Promise<void>;
  lose(sha256: string): Promise<void>;
  /** Makes it look as old as two days. */
  age(sha256: string): Promise<void>;
  /** What stands beside the artifacts: nothing, once every call has ended. */
  leftovers(): Promise<string[]>;
  close(): Promise<void>;
}

/** What nobody holds is gone after it: memory is then what is held. */
function collectGarbage(): void {
  setFlagsFromString("--expose-gc");
  (runInNewContext("gc") as () => void)();
}

const longAgo = new Date(Date.now() - 2 * 24 * 3_600_000);

async function openDisk(): Promise<Subject> {
  const root = await mkdtemp(join(tmpdir(), "headrace-disk-"));
  const pathOf = (sha256: string) => join(root, sha256.slice(0, 2), sha256.slice(2, 4), sha256);
  return {
    files: createArtifactFiles(root),
    overwrite: async (sha256, bytes) => await writeFile(pathOf(sha256), bytes),
    lose: async (sha256) => await rm(pathOf(sha256)),
    age: async (sha256) => await utimes(pathOf(sha256), longAgo, longAgo),
    leftovers: async () => await readdir(join(root, "incoming")),
    close: async () => await rm(root, { recursive: true }),
  };
}

/** s3rver keeps each object in files named after its key. */
async function openS3(): Promise<Subject> {
  const folder = await mkdtemp(join(tmpdir(), "headrace-s3-"));
  const S3rver = createRequire(import.meta.url)("s3rver") as new (
    options: object,
  ) => {
    run(): Promise<void>;
    close(): Promise<void>;
    httpServer: Server;
  };
  const server = new S3rver({ port: 0, address: "127.0.0.1", silent: true, directory: folder });
  await server.run();
  const { port } = server.httpServer.address() as AddressInfo;
  const endpoint = `http://127.0.0.1:${port}`;
  const credentials = { accessKeyId: "S3RVER", secretAccessKey: "S3RVER" };
  const client = new S3Client({ endpoint, credentials, region: "us-east-1", forcePathStyle: true });
  await client.send(new CreateBucketCommand({ Bucket: "artifacts" }));
  const files = createS3ArtifactFiles({
    bucket: "artifacts",
    endpoint,
    region: "us-east-1",
    prefix: "headrace/",
    credentials,
    forcePathStyle: true,
  });
  const keyOf = (sha256: string) => `headrace/${sha256.slice(0, 2)}/${sha256.slice(2, 4)}/${sha256}`;
  return {
    files,
    async overwrite(sha256, bytes) {
      await client.send(new PutObjectCommand({ Bucket: "artifacts", Key: keyOf(sha256), Body: bytes }));
    },
    async lose(sha256) {
      await client.send(new DeleteObjectCommand({ Bucket: "artifacts", Key: keyOf(sha256) }));
    },
    async age(sha256) {
      const path = join(folder, "artifacts", `${keyOf(sha256)}._S3rver_object`);
      await readFile(path);
      await utimes(path, longAgo, longAgo);
    },
    async leftovers() {
      const found = await readdir(join(folder, "artifacts", "headrace", "incoming")).catch(() => []);
      return found.filter((name) => name.endsWith("_object"));
    },
    async close() {
      files.close();
      client.destroy();
      await server.close();
      await rm(folder, { recursive: true });
    },
  };
}

describe.each([
  ["disk", openDisk],
  ["S3", openS3],
] as const)("storage of artifacts: %s", (_name, openSubject) => {
  let subject: Subject;
  let files: ArtifactFiles;

  beforeAll(async () => {
    subject = await openSubject();
    files = subject.files;
  });
  afterAll(async () => {
    await subject.close();
  });

  async function read(sha256: string, sizeBytes: number, range?: { start: number; end: number }) {
    const open = await files.open(sha256, sizeBytes);
    if (!open) return undefined;
    try {
      return await buffer(await open.read(range));
    } finally {
      await open.close();
    }
  }

  it("gives back what it was given, in whole and by a range", async () => {
    const bytes = Buffer.from("0123456789");
    const stored = await files.write([bytes.subarray(0, 4), bytes.subarray(4)]);
    expect(stored).toMatchObject({ sizeBytes: 10, head: bytes });
    expect(await read(stored.sha256, 10)).toEqual(bytes);
    expect(await read(stored.sha256, 10, { start: 2, end: 4 })).toEqual(Buffer.from("234"));
    expect(await files.write([bytes])).toEqual(stored);
    expect(await subject.leftovers()).toEqual([]);
  });

  it("keeps empty bytes", async () => {
    const { sha256, sizeBytes } = await files.write([]);
    expect(sizeBytes).toBe(0);
    expect(await read(sha256, 0)).toEqual(Buffer.alloc(0));
  });

  it("takes 120 MiB without holding them", async () => {
    const block = randomBytes(1024 * 1024);
    let mostBytes = 0;
    const before = process.memoryUsage().arrayBuffers;
    async function* source() {
      for (let at = 0; at < 120; at += 1) {
        if (at % 10 === 0) {
          collectGarbage();
          mostBytes = Math.max(mostBytes, process.memoryUsage().arrayBuffers - before);
        }
        yield Buffer.concat([Buffer.from([at]), block]);
      }
    }
    const { sha256, sizeBytes } = await files.write(source());
    expect(sizeBytes).toBe(120 * (block.length + 1));
    expect(mostBytes).toBeLessThan(90 * 1024 * 1024);
    const start = 17 * (block.length + 1);
    expect(await read(sha256, sizeBytes, { start, end: start + 4 })).toEqual(
      Buffer.concat([Buffer.from([17]), block.subarray(0, 4)]),
    );
    expect(await subject.leftovers()).toEqual([]);
  }, 60_000);

  it("leaves nothing of a source that fails, small or large", async () => {
    for (const mebibytes of [1, 20]) {
      function* source() {
        for (let at = 0; at < mebibytes; at += 1) yield Buffer.alloc(1024 * 1024, at);
        throw new Error("the disk of the step is gone");
      }
      await expect(files.write(source())).rejects.toThrow("is gone");
    }
    expect(await subject.leftovers()).toEqual([]);
  }, 30_000);

  it("knows bytes no more that are missing, cut short or changed, also after they were read", async () => {
    const bytes = Buffer.from(`precious ${randomBytes(8).toString("hex")}`);
    const { sha256, sizeBytes } = await files.write([bytes]);
    expect(await read(sha256, sizeBytes)).toEqual(bytes);
    await subject.overwrite(sha256, Buffer.from(bytes).fill(0x78, 0, 3));
    expect(await read(sha256, sizeBytes)).toBeUndefined();
    await subject.overwrite(sha256, bytes.subarray(1));
    expect(await read(sha256, sizeBytes)).toBeUndefined();
    await files.write([bytes]);
    expect(await read(sha256, sizeBytes)).toEqual(bytes);
    await subject.lose(sha256);
    expect(await read(sha256, sizeBytes)).toBeUndefined();
    await expect(files.open("../../etc/passwd", 1)).rejects.toThrow("SHA-256");
  });

  it("removes what is old and unused alone", async () => {
    const unused = async () => false;
    const bytes = randomBytes(64);
    const { sha256 } = await files.write([bytes]);
    expect(await files.remove(sha256, unused)).toBe(false);
    await subject.age(sha256);
    expect(await files.remove(sha256, async () => true)).toBe(false);
    expect(await read(sha256, 64)).toEqual(bytes);
    // storing the same bytes makes them fresh again
    await files.write([bytes]);
    expect(await files.remove(sha256, unused)).toBe(false);
    await subject.age(sha256);
    // named by somebody between the two looks
    let looks = 0;
    expect(await files.remove(sha256, async () => (looks += 1) > 1)).toBe(false);
    expect(await read(sha256, 64)).toEqual(bytes);
    await subject.age(sha256);
    expect(await files.remove(sha256, unused)).toBe(true);
    expect(await read(sha256, 64)).toBeUndefined();
    expect(await files.remove(sha256, unused)).toBe(true);
    expect(await subject.leftovers()).toEqual([]);
  });
});

describe("storage of artifacts on an S3 that does not answer", () => {
  it.each([
    ["at all", undefined],
    ["to its end", 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\nETag: "x"\r\n\r\n123'],
  ])(
    "gives up when it does not %s",
    async (_name, beginning) => {
      const sockets = new Set<Socket>();
      const server = createServer((socket) => {
        sockets.add(socket);
        socket.on("error", () => undefined).once("data", () => beginning && socket.write(beginning));
      });
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      const files = createS3ArtifactFiles(
        {
          bucket: "artifacts",
          endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
          ...{ region: "us-east-1", prefix: "", forcePathStyle: true },
          credentials: { accessKeyId: "k", secretAccessKey: "s" },
        },
        { connectMs: 300, requestMs: 300, idleMs: 300 },
      );
      try {
        await expect(
          (async () => {
            const open = await files.open("0".repeat(64), 10);
            if (open) await buffer(await open.read());
          })(),
        ).rejects.toThrow();
      } finally {
        files.close();
        for (const socket of sockets) socket.destroy();
        server.close();
      }
    },
    20_000,
  );
});
