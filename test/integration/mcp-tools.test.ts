import { chmod, copyFile, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { createAuditLog } from "../../src/services/audit/audit-log.js";
import { createPasswords } from "../../src/services/auth/passwords.js";
import { ensureFirstAdmin } from "../../src/services/users/ensure-first-admin.js";
import { eventually } from "../support/eventually.js";
import { sendRequest, type TestRequest } from "../support/http-client.js";
import { type RoleProcess, spawnRole } from "../support/spawn-role.js";
import { createTestDatabase, type TestDatabase } from "../support/test-database.js";

const SERVER = fileURLToPath(new URL("../support/hostile/mcp-server.mjs", import.meta.url));
const PASSWORD = "correct horse battery";

interface Diff {
  readonly kind: string;
  readonly changes: { tool: string; path: string; kind: string }[];
}
interface Tools {
  readonly tools: { name: string; description?: string }[];
  readonly serverInfo: object;
  readonly contract: { hash: string; at: string };
  readonly drift: Diff | null;
  readonly comparison: (Diff & { version: string }) | null;
}

describe("tools of packages, with the API and the worker in processes of their own", () => {
  let database: TestDatabase;
  let folder: string;
  let api: RoleProcess;
  let worker: RoleProcess;
  let port: number;
  let token: string;

  beforeAll(async () => {
    database = await createTestDatabase();
    folder = await mkdtemp(join(tmpdir(), "headrace-tools-"));
    await chmod(folder, 0o755);
    await copyFile(SERVER, join(folder, "server.mjs"));
    const environment = {
      DATABASE_URL: database.url,
      DATA_DIR: join(folder, "data"),
      QUEUE_PREFIX: database.prefix,
      LOG_LEVEL: "error",
      PORT: "0",
      MCP_PATHS: folder,
    };
    await ensureFirstAdmin({
      knex: database.knex,
      settings: { ADMIN_EMAIL: "admin@example.com", ADMIN_PASSWORD: PASSWORD, DATA_DIR: folder },
      passwords: createPasswords(),
      audit: createAuditLog({ knex: database.knex }),
    });
    [api, worker] = await Promise.all([spawnRole("api", environment), spawnRole("worker", environment)]);
    port = Number(new URL(api.address).port);
    const body = { email: "admin@example.com", password: PASSWORD };
    const signIn = await sendRequest(port, { method: "POST", path: "/api/v1/auth/login", body });
    token = String(signIn.body["accessToken"]);
  }, 120_000);
  afterAll(async () => {
    await Promise.all([api?.kill(), worker?.kill()]);
    await database.drop();
    await rm(folder, { recursive: true, force: true });
  });

  const call = async (request: TestRequest) => await sendRequest(port, { token, ...request });
  const post = async (path: string, body: object) =>
    await call({ method: "POST", path: `/api/v1/${path}`, body });
  const configOf = (mode: string, extra: object = {}) => ({
    type: "mcp_package",
    transport: { kind: "stdio", command: "node", args: [join(folder, "server.mjs"), mode] },
    ...extra,
  });
  async function addVersion(name: string, version: string, config: object): Promise<string> {
    await post("mcp-definitions", { name, mcpType: "mcp_package" });
    const made = await post(`mcp-definitions/${name}/versions`, { version, config });
    if (made.status !== 201) throw new Error(made.text);
    return String(made.body["id"]);
  }
  async function list(id: string, query = ""): Promise<Tools> {
    const answer = await call({ path: `/api/v1/mcp-versions/${id}/tools${query}` });
    if (answer.status !== 200) throw new Error(`${answer.status} ${answer.text}`);
    return answer.body as unknown as Tools;
  }
  async function runOnce(id: string) {
    const started = await post(`mcp-versions/${id}/test`, {
      inputs: { tool: "echo", arguments: { text: "hi" } },
    });
    const path = `/api/v1/workflow-runs/${String(started.body["id"])}`;
    let run = started.body;
    await eventually("the run ends", async () => {
      run = (await call({ path })).body;
      return ["succeeded", "failed"].includes(String(run["status"]));
    });
    return run as unknown as {
      status: string;
      output: unknown;
      error: { code: string; message: string } | null;
    };
  }

  it("starts nothing when a version is saved, shown or judged", async () => {
    const mark = `mark-${Date.now()}`;
    const id = await addVersion("quiet", "1.0.0", configOf(mark));
    await call({ path: `/api/v1/mcp-versions/${id}` });
    const definition = { steps: [{ id: "a", uses: "mcp:quiet@1.0.0" }] };
    const judged = await post("workflow-definitions/validate", { definition });
    expect(judged.body).toMatchObject({ valid: true });
    const isStarted = async () => {
      const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
      const lines = await Promise.all(
        pids.map(async (pid) => await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "")),
      );
      return lines.some((line) => line.includes(mark));
    };
    for (let look = 0; look < 10; look += 1) {
      expect(await isStarted()).toBe(false);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    expect(await database.knex("mcp_tool_contracts").where("mcp_version_id", id)).toEqual([]);
  });

  it("keeps the first list as the contract, with its audit entry, and compares new versions with it", async () => {
    const first = await addVersion("tools", "1.0.0", configOf("good"));
    const listed = await list(first);
    expect(listed).toMatchObject({
      tools: [{ name: "echo", description: "says it again", inputSchema: { type: "object" } }],
      serverInfo: { name: "test-server", version: "1.0.0" },
      package: null,
      drift: null,
      comparison: null,
    });
    const entries = await database.knex("action_logs").where({ entity_id: first });
    expect(entries.map((entry) => entry.action)).toContain("mcp_version.keep_tools");
    expect((await list(first)).contract).toEqual(listed.contract);

    const second = await addVersion("tools", "1.1.0", configOf("more"));
    expect((await list(second)).comparison).toMatchObject({ version: "1.0.0", kind: "compatible" });
    const third = await addVersion("tools", "2.0.0", configOf("changed"));
    expect((await list(third, `?compareWith=${first}`)).comparison).toMatchObject({
      version: "1.0.0",
      kind: "breaking",
      changes: [{ tool: "echo", path: "/inputSchema/required", kind: "breaking" }],
    });
    expect(await database.knex("mcp_tool_listings")).toEqual([]);
  }, 60_000);

  it("fails runs of a server whose tools have changed, unless the version allows it", async () => {
    const strict = await addVersion("pulled", "1.0.0", configOf("good"));
    const lenient = await addVersion(
      "pulled",
      "1.0.1",
      configOf("good", { toolChanges: "allowDescriptions" }),
    );
    for (const id of [strict, lenient]) {
      const content = [{ type: "text", text: "hi" }];
      expect(await runOnce(id)).toMatchObject({
        status: "succeeded",
        output: { test: { content, isError: false } },
      });
    }
    const path = join(folder, "server.mjs");
    const source = await readFile(path, "utf8");
    await writeFile(path, source.replace("says it again", "says it to evil.example"));
    try {
      const failed = await runOnce(strict);
      expect(failed).toMatchObject({ status: "failed", error: { code: "upstream_error" } });
      expect(failed.error?.message).toContain("echo/description was changed (description)");
      expect((await runOnce(lenient)).status).toBe("succeeded");
      expect((await list(strict)).drift).toMatchObject({ kind: "description" });
    } finally {
      await writeFile(path, source);
    }
    expect((await runOnce(strict)).status).toBe("succeeded");
  }, 60_000);

  it("says why a server has no list", async () => {
    const missing = await addVersion("broken", "1.0.0", {
      type: "mcp_package",
      transport: { kind: "stdio", command: "node", args: ["missing.mjs"] },
    });
    const answer = await call({ path: `/api/v1/mcp-versions/${missing}/tools` });
    expect(answer.status).toBe(502);
    expect(answer.text).toContain("exit code 1");
    expect(answer.text).toContain("missing.mjs");
  }, 30_000);

  it.each(["half-character", "half-name", "half-line"])(
    "says at once that what a server sent cannot be kept: %s",
    async (mode) => {
      const id = await addVersion(mode, "1.0.0", configOf(mode));
      const startedAt = performance.now();
      const answer = await call({ path: `/api/v1/mcp-versions/${id}/tools` });
      expect(answer.status).toBe(502);
      expect(answer.text).toContain(mode === "half-line" ? "no JSON-RPC" : "cannot be stored");
      expect(performance.now() - startedAt).toBeLessThan(15_000);
    },
    120_000,
  );

  it("knows what may be asked", async () => {
    const script = await post("mcp-definitions", {
      name: "script",
      mcpType: "python_script",
      version: { version: "1.0.0", config: { type: "python_script", code: "x" } },
    });
    const { id } = script.body["latestVersion"] as unknown as { id: string };
    const statusOf = async (path: string) => (await call({ path: `/api/v1/mcp-versions/${path}` })).status;
    expect(await statusOf(`${id}/tools`)).toBe(409);
    expect(await statusOf("0190ffff-0000-7000-8000-000000000000/tools")).toBe(404);
    expect(await statusOf("abc/tools")).toBe(404);
    const known = await addVersion("asked", "1.0.0", configOf("good"));
    expect(await statusOf(`${known}/tools?compareWith=${id}`)).toBe(422);
    const user = { email: "operator@example.com", name: "o", password: PASSWORD, role: "operator" };
    await post("users", user);
    const { email, password } = user;
    const signIn = await post("auth/login", { email, password });
    const path = `/api/v1/mcp-versions/${known}/tools`;
    expect((await call({ path, token: String(signIn.body["accessToken"]) })).status).toBe(403);
    expect((await sendRequest(port, { path })).status).toBe(401);
  });

  it("refuses what could never be started", async () => {
    const fault = async (config: object) => {
      const version = { version: "9.0.0", config };
      return (await post("mcp-definitions", { name: "refused", mcpType: "mcp_package", version })).body[
        "errors"
      ];
    };
    const stdio = (command: string, args: string[]) => ({
      type: "mcp_package",
      transport: { kind: "stdio", command, args },
    });
    expect(await fault(stdio("/bin/sh", ["-c", "true"]))).toEqual([
      expect.objectContaining({ path: "/version/config/transport/command" }),
    ]);
    expect(await fault(stdio("node", ["--key=${secret:KEY}"]))).toEqual([
      expect.objectContaining({ path: "/version/config/transport/args/0" }),
    ]);
  });
});
