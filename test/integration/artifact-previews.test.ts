import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { newId } from "../../src/core/ids.js";
import { artifactViewRoutes } from "../../src/http/routes/artifact-views.js";
import { type ArtifactStore, createArtifactStore } from "../../src/services/artifacts/artifact-store.js";
import { createArtifactPreviews } from "../../src/services/artifacts/preview-artifact.js";
import { startTestServer, type TestServer } from "../support/test-server.js";

const PNG = Buffer.concat([
  Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]),
  Buffer.alloc(100, 1),
]);
const MAX_BYTES = 2_000;

describe("previews of artifacts", () => {
  let server: TestServer;
  let root: string;
  let store: ArtifactStore;
  const owner = { runId: newId(), stepIndex: 0, itemIndex: -1, attempt: 1 };

  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), "headrace-previews-"));
    server = await startTestServer({
      routes: ({ knex, logger }) => {
        store = createArtifactStore({ root, knex });
        const previews = createArtifactPreviews({ artifacts: store, maxBytes: MAX_BYTES });
        const runs = { assertExists: async () => undefined };
        return artifactViewRoutes({ artifacts: store, previews, runs, logger });
      },
    });
  });
  afterAll(async () => {
    await server.close();
    await rm(root, { recursive: true, force: true });
  });

  async function save(name: string, bytes: string | Buffer): Promise<string> {
    return (await store.saveBytes(owner, { kind: "file", name }, Buffer.from(bytes))).id;
  }
  async function preview(name: string, bytes: string | Buffer) {
    const id = await save(name, bytes);
    const answer = await server.request({ as: "viewer", path: `/api/v1/artifacts/${id}/preview` });
    expect(answer.status).toBe(200);
    return answer.body as Record<string, unknown>;
  }

  it.each([
    ["UTF-8", Buffer.from("žluť"), "utf-8"],
    ["UTF-8 with a mark", Buffer.from("\ufeffžluť"), "utf-8"],
    ["UTF-16", Buffer.from("\ufeffžluť", "utf16le"), "utf-16le"],
    ["Windows-1252", Buffer.from([0x9e, 0x6c, 0x75, 0x9d]), "windows-1252"],
  ])("show text in %s", async (_what, bytes, encoding) => {
    const shown = await preview("words.txt", bytes);
    expect(shown).toMatchObject({ kind: "text", encoding, isCut: false });
    if (encoding !== "windows-1252") expect(shown["text"]).toBe("žluť");
  });

  it("cut long text, never within a character", async () => {
    const shown = await preview("long.log", "é".repeat(5_000));
    expect(shown).toMatchObject({ kind: "text", encoding: "utf-8", isCut: true });
    expect(shown["text"]).toBe("é".repeat(MAX_BYTES / 2));
    const odd = await preview("odd.log", `x${"é".repeat(5_000)}`);
    expect(odd["text"]).toBe(`x${"é".repeat(MAX_BYTES / 2 - 1)}`);
  });

  it("show tables with quotes, marks and line breaks", async () => {
    const shown = await preview("t.csv", '\ufeffname,"a, b"\r\n"say ""hi""","two\r\nlines"\r\n\r\nx,\r\n');
    expect(shown).toMatchObject({
      kind: "csv",
      delimiter: ",",
      columns: ["name", "a, b"],
      rows: [
        ['say "hi"', "two\r\nlines"],
        ["x", ""],
      ],
      isCut: false,
    });
    expect(await preview("s.csv", "a;b\n1;2,5")).toMatchObject({ columns: ["a", "b"], rows: [["1", "2,5"]] });
    expect(await preview("t.tsv", "a\tb\n1\t2")).toMatchObject({ delimiter: "\t", rows: [["1", "2"]] });
  });

  it("show the head of a long table, without half a record", async () => {
    const shown = await preview("long.csv", `n\n${"12345678\n".repeat(1_000)}`);
    expect(shown).toMatchObject({ kind: "csv", isCut: true });
    const rows = shown["rows"] as string[][];
    expect(rows).toHaveLength(100);
    expect(new Set(rows.flat())).toEqual(new Set(["12345678"]));
  });

  it("show JSON laid out, and as text what is none", async () => {
    expect(await preview("a.json", '{"a":[1]}')).toMatchObject({
      kind: "json",
      text: '{\n  "a": [\n    1\n  ]\n}',
    });
    expect(await preview("b.json", "{oops")).toMatchObject({ kind: "text", text: "{oops" });
  });

  it("show notebooks as cells, without their HTML", async () => {
    const notebook = {
      nbformat: 4,
      cells: [
        { cell_type: "markdown", source: ["# Title\n", "words"] },
        {
          cell_type: "code",
          source: "plot()",
          outputs: [
            { output_type: "stream", text: ["one\n"] },
            { output_type: "display_data", data: { "image/png": PNG.toString("base64"), "text/plain": "x" } },
            {
              output_type: "display_data",
              data: { "text/html": "<script>1</script>", "text/plain": "<Frame>" },
            },
            { output_type: "error", traceback: ["\u001b[31mboom\u001b[0m"] },
          ],
        },
      ],
    };
    const shown = await preview("n.ipynb", JSON.stringify(notebook));
    expect(shown).toMatchObject({
      kind: "notebook",
      cells: [
        { cellType: "markdown", source: "# Title\nwords", outputs: [] },
        {
          cellType: "code",
          outputs: [
            { kind: "text", text: "one\n" },
            { kind: "image", mimeType: "image/png" },
            { kind: "text", text: "<Frame>" },
            { kind: "error", text: "boom" },
          ],
        },
      ],
    });
    expect(JSON.stringify(shown)).not.toContain("<script>");
  });

  it("show images inline that are what they are called, and SVG as text alone", async () => {
    const shown = await preview("plot.png", PNG);
    expect(shown).toMatchObject({ kind: "image" });
    const content = await server.request({ as: "viewer", path: String(shown["contentUrl"]) });
    expect(content.status).toBe(200);
    expect(content.headers).toMatchObject({
      "content-type": "image/png",
      "content-disposition": "inline",
      "x-content-type-options": "nosniff",
      "content-security-policy": "sandbox; default-src 'none'",
    });
    expect(await preview("lie.png", "<script>alert(1)</script>")).toMatchObject({ kind: "none" });
    expect(await preview("x.svg", "<svg onload='alert(1)'/>")).toMatchObject({ kind: "text" });
    for (const name of ["lie.png", "x.svg", "a.txt"]) {
      const id = await save(name, "<svg/>");
      const path = `/api/v1/artifacts/${id}/preview/content`;
      expect((await server.request({ as: "viewer", path })).status).toBe(404);
    }
  });

  it("show HTML without scripts and without an origin", async () => {
    const shown = await preview("page.html", "<h1>hi</h1><script>fetch('/api/v1/users')</script>");
    expect(shown).toMatchObject({ kind: "html" });
    const content = await server.request({ as: "viewer", path: String(shown["contentUrl"]) });
    const policy = String(content.headers["content-security-policy"]);
    expect(content.headers["content-type"]).toBe("text/html; charset=utf-8");
    expect(policy).toMatch(/^sandbox; default-src 'none'/);
    expect(policy).not.toMatch(/allow-scripts|allow-same-origin|script-src/);
  });

  it("show nothing of bytes, and of empty files no more than there is", async () => {
    expect(await preview("x.bin", Buffer.from([0, 1, 2]))).toMatchObject({ kind: "none" });
    expect(await preview("nul.txt", Buffer.from("a\0b"))).toMatchObject({ kind: "none" });
    expect(await preview("empty.csv", "")).toMatchObject({ kind: "csv", columns: [], rows: [] });
  });

  it("list a run's files in pages, newest first", async () => {
    const runId = newId();
    for (const name of ["a", "b", "c"]) {
      await store.saveBytes({ ...owner, runId, itemIndex: 2 }, { kind: "file", name }, Buffer.from(name));
    }
    await store.saveBytes({ ...owner, runId }, { kind: "output", name: "o" }, Buffer.from("o"));
    const path = `/api/v1/workflow-runs/${runId}/artifacts?limit=2`;
    const first = (await server.request({ as: "viewer", path })).body;
    const items = first["items"] as unknown as { name: string; itemIndex: number }[];
    expect(items.map(({ name, itemIndex }) => [name, itemIndex])).toEqual([
      ["c", 2],
      ["b", 2],
    ]);
    const next = `${path}&cursor=${encodeURIComponent(String(first["nextCursor"]))}`;
    const second = (await server.request({ as: "viewer", path: next })).body;
    expect(second).toMatchObject({ items: [{ name: "a" }], nextCursor: null });
  });

  it("are for those who are signed in", async () => {
    const id = await save("a.txt", "a");
    for (const path of [`/api/v1/artifacts/${id}/preview`, `/api/v1/artifacts/${id}/preview/content`]) {
      expect((await server.request({ as: null, path })).status).toBe(401);
    }
    expect((await server.request({ path: `/api/v1/artifacts/${newId()}/preview` })).status).toBe(404);
  });
});
