import { execFileSync } from "node:child_process";
import {
  link,
  mkdir,
  mkdtemp,
  open,
  readdir,
  readFile,
  rm,
  symlink,
  truncate,
  writeFile,
} from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import { newId } from "../../src/core/ids.js";
import { artifactRoutes } from "../../src/http/routes/artifacts.js";
import { type ArtifactStore, createArtifactStore } from "../../src/services/artifacts/artifact-store.js";
import { startTestServer, type TestServer } from "../support/test-server.js";

describe("artifacts", () => {
  let server: TestServer;
  let root: string;
  let store: ArtifactStore;
  let workdir: string;
  const owner = { runId: newId(), stepIndex: 0, itemIndex: -1, attempt: 1 };

  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), "headrace-artifacts-"));
    server = await startTestServer({
      routes: ({ knex, logger }) => {
        store = createArtifactStore({ root: join(root, "store"), knex });
        return artifactRoutes({ artifacts: store, logger });
      },
    });
  });
  afterAll(async () => {
    await server.close();
    await rm(root, { recursive: true, force: true });
  });
  beforeEach(async () => {
    workdir = await mkdtemp(join(root, "work-"));
    await mkdir(join(workdir, "artifacts"));
  });

  const inFolder = (...parts: string[]) => join(workdir, "artifacts", ...parts);
  const get = async (id: string, headers: Record<string, string> = {}, method = "GET") =>
    await server.request({ as: "viewer", method, path: `/api/v1/artifacts/${id}`, headers });
  const pathOf = (sha256: string) => join(root, "store", sha256.slice(0, 2), sha256.slice(2, 4), sha256);

  it("keeps what a step left, folders included, and serves it as a download", async () => {
    await mkdir(inFolder("charts"));
    await writeFile(inFolder("charts", "größe.svg"), "<svg/>");
    await writeFile(inFolder("data"), Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0]));
    await writeFile(inFolder("notes"), "plain words");
    await writeFile(inFolder("empty.bin"), "");
    const { artifacts, refusals } = await store.collect(workdir, owner);
    expect(refusals).toEqual([]);
    expect(artifacts.map(({ name, contentType, sizeBytes }) => [name, contentType, sizeBytes])).toEqual([
      ["charts/größe.svg", "image/svg+xml", 6],
      ["data", "image/png", 9],
      ["empty.bin", "application/octet-stream", 0],
      ["notes", "text/plain; charset=utf-8", 11],
    ]);
    const answer = await get(artifacts[0]?.id ?? "");
    expect(answer).toMatchObject({ status: 200, text: "<svg/>" });
    expect(answer.headers).toMatchObject({
      "content-type": "image/svg+xml",
      "content-length": "6",
      "content-disposition": `attachment; filename="gr__e.svg"; filename*=UTF-8''gr%C3%B6%C3%9Fe.svg`,
      "x-content-type-options": "nosniff",
      "content-security-policy": "sandbox; default-src 'none'",
      etag: `"${artifacts[0]?.sha256}"`,
    });
    expect(await get(artifacts[2]?.id ?? "")).toMatchObject({ status: 200, text: "" });
  });

  it("keeps equal bytes once, under their hash", async () => {
    const one = await store.saveBytes(owner, { kind: "file", name: "a.txt" }, Buffer.from("same"));
    const other = await store.saveBytes(owner, { kind: "file", name: "b.txt" }, Buffer.from("same"));
    expect(other.sha256).toBe(one.sha256);
    expect(other.id).not.toBe(one.id);
    expect(await readFile(pathOf(one.sha256), "utf8")).toBe("same");
    expect(await readdir(join(root, "store", "incoming"))).toEqual([]);
  });

  it("refuses links, pipes and sockets with a reason, and does not wait for any of them", async () => {
    await writeFile(join(workdir, "outside.txt"), "secret");
    await symlink("/etc/passwd", inFolder("passwd"));
    await symlink("/etc", inFolder("etc"));
    await symlink("../outside.txt", inFolder("up"));
    await link(join(workdir, "outside.txt"), inFolder("hard"));
    execFileSync("mkfifo", [inFolder("pipe")]);
    const socket = createServer();
    await new Promise<void>((resolve) => socket.listen(inFolder("socket"), resolve));
    await writeFile(inFolder("good.txt"), "good");
    const { artifacts, refusals } = await store
      .collect(workdir, owner, AbortSignal.timeout(5000))
      .finally(() => socket.close());
    expect(artifacts.map((artifact) => artifact.name)).toEqual(["good.txt"]);
    expect(refusals).toEqual([
      "artifact refused: etc is a symbolic link",
      "artifact refused: hard is a hard link",
      "artifact refused: passwd is a symbolic link",
      "artifact refused: pipe is no regular file",
      "artifact refused: socket is a FIFO, socket or device",
      "artifact refused: up is a symbolic link",
    ]);
  });

  it("refuses an artifacts folder that is a link itself", async () => {
    await rm(inFolder(), { recursive: true });
    await symlink("/etc", inFolder());
    const { artifacts, refusals } = await store.collect(workdir, owner);
    expect(artifacts).toEqual([]);
    expect(refusals).toEqual(["artifact refused: . is a symbolic link"]);
    await rm(inFolder());
    expect(await store.collect(workdir, owner)).toEqual({ artifacts: [], refusals: [] });
  });

  it("counts a sparse file in full, and keeps the small one beside it", async () => {
    await writeFile(inFolder("sparse"), "");
    await truncate(inFolder("sparse"), 10 * 1024 ** 3);
    await writeFile(inFolder("tiny"), "x");
    const { artifacts, refusals } = await store.collect(workdir, owner);
    expect(artifacts.map((artifact) => artifact.name)).toEqual(["tiny"]);
    expect(refusals).toEqual([
      "artifact refused: sparse its 10737418240 bytes exceed the 1073741824 that may be kept in all",
    ]);
  });

  it("stops at 1,000 files, at too many entries and at too deep folders", async () => {
    for (let file = 0; file < 1003; file += 1) await writeFile(inFolder(`f${file}`), "x");
    const many = await store.collect(workdir, owner);
    expect(many.artifacts).toHaveLength(1000);
    expect(many.refusals).toEqual(["artifact refused: more than 1000 files: the rest is not kept"]);
    const strict = createArtifactStore({
      root: join(root, "store"),
      knex: server.knex,
      limits: { maxEntries: 100, maxDepth: 1, maxRefusals: 1 },
    });
    const capped = await strict.collect(workdir, owner);
    expect(capped.artifacts).toHaveLength(0);
    expect(capped.refusals).toEqual(["artifact refused: more than 100 entries: the rest is not looked at"]);
    await rm(inFolder(), { recursive: true });
    await mkdir(inFolder("a", "b", "c"), { recursive: true });
    await mkdir(inFolder("d", "e"), { recursive: true });
    expect((await strict.collect(workdir, owner)).refusals).toEqual([
      "artifact refused: a/b folders nest more than 1 deep",
      "artifacts refused: 1 more",
    ]);
  });

  it("makes hostile names harmless", async () => {
    await writeFile(inFolder('..\\x"\r\nSet-Cookie: a=b\u202e.html'), "<script>alert(1)</script>");
    const { artifacts } = await store.collect(workdir, owner);
    expect(artifacts[0]?.name).toBe('.._x"__Set-Cookie: a=b_.html');
    const answer = await get(artifacts[0]?.id ?? "");
    expect(answer.status).toBe(200);
    expect(answer.headers["set-cookie"]).toBeUndefined();
    expect(answer.headers["content-disposition"]).toMatch(
      /^attachment; filename="\.\._x___Set-Cookie: a=b_\.html"; filename\*=UTF-8''/,
    );
    expect(answer.headers["content-security-policy"]).toContain("sandbox");
  });

  it("answers ranges, conditions and HEAD", async () => {
    const { id, sha256 } = await store.saveBytes(
      owner,
      { kind: "file", name: "ten.txt" },
      Buffer.from("0123456789"),
    );
    const ranges: [string, number, string, string | undefined][] = [
      ["bytes=2-4", 206, "234", "bytes 2-4/10"],
      ["bytes=7-", 206, "789", "bytes 7-9/10"],
      ["bytes=-3", 206, "789", "bytes 7-9/10"],
      ["bytes=5-999", 206, "56789", "bytes 5-9/10"],
      ["bytes=10-", 416, "", "bytes */10"],
      ["bytes=4-2", 200, "0123456789", undefined],
      ["bytes=0-1,4-5", 200, "0123456789", undefined],
      ["lines=1-2", 200, "0123456789", undefined],
    ];
    for (const [range, status, text, contentRange] of ranges) {
      const answer = await get(id, { range });
      expect([range, answer.status, answer.text, answer.headers["content-range"]]).toEqual([
        range,
        status,
        text,
        contentRange,
      ]);
    }
    expect(await get(id, { range: "bytes=2-4", "if-range": '"other"' })).toMatchObject({ status: 200 });
    expect(await get(id, { "if-none-match": `W/"${sha256}"` })).toMatchObject({ status: 304, text: "" });
    const head = await get(id, {}, "HEAD");
    expect(head).toMatchObject({ status: 200, text: "" });
    expect(head.headers["content-length"]).toBe("10");
  });

  it("answers 404 for bytes that are missing, cut short or changed, also after they were served", async () => {
    const { id, sha256 } = await store.saveBytes(
      owner,
      { kind: "output", name: "output.json" },
      Buffer.from('{"a":1}'),
    );
    expect((await get(id)).text).toBe('{"a":1}');
    expect(await store.readJson(id, 100)).toEqual({ a: 1 });
    await expect(store.readJson(id, 3)).rejects.toMatchObject({ code: "BODY_TOO_LARGE" });
    await writeFile(pathOf(sha256), '{"a":2}');
    expect((await get(id)).status).toBe(404);
    await truncate(pathOf(sha256), 3);
    expect((await get(id)).status).toBe(404);
    await rm(pathOf(sha256));
    expect((await get(id)).status).toBe(404);
    await expect(store.readJson(id, 100)).rejects.toMatchObject({ code: "NOT_FOUND" });
    // saving the same bytes mends it
    await store.saveBytes(owner, { kind: "output", name: "output.json" }, Buffer.from('{"a":1}'));
    expect((await get(id)).status).toBe(200);
  });

  it("mends a stored file that was cut short when the same bytes come again", async () => {
    const bytes = Buffer.from("precious");
    const { id, sha256 } = await store.saveBytes(owner, { kind: "file", name: "p.txt" }, bytes);
    await truncate(pathOf(sha256), 2);
    await store.saveBytes(owner, { kind: "file", name: "q.txt" }, bytes);
    expect((await get(id)).text).toBe("precious");
  });

  it("knows no artifact by anything but its id", async () => {
    expect((await server.request({ as: null, path: `/api/v1/artifacts/${newId()}` })).status).toBe(401);
    for (const id of [newId(), "abc", "..%2f..%2fetc%2fpasswd", "%00"])
      expect((await get(id)).status).toBe(404);
  });

  it("leaves no row and no file when the source fails, and joins a transaction", async () => {
    const file = await open(inFolder("gone.txt"), "w+");
    await file.close();
    await expect(
      store.saveFile(owner, { kind: "file", name: "gone.txt" }, { handle: file, sizeBytes: 10 }),
    ).rejects.toThrow();
    expect(await server.knex("artifacts").where("name", "gone.txt")).toEqual([]);
    expect(await readdir(join(root, "store", "incoming"))).toEqual([]);
    await server.knex
      .transaction(async (trx) => {
        await store.saveBytes(owner, { kind: "file", name: "undone.txt" }, Buffer.from("u"), trx);
        throw new Error("undo");
      })
      .catch(() => undefined);
    expect(await server.knex("artifacts").where("name", "undone.txt")).toEqual([]);
  });
});
