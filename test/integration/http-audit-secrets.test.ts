import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { deriveEncryptionKey } from "../../src/config/load-keys.js";
import { systemActor } from "../../src/core/actor.js";
import { createLogger } from "../../src/observability/logger.js";
import { createCheckpointSigner } from "../../src/services/audit/checkpoint-signer.js";
import { renewCheckpoints } from "../../src/services/audit/renew-checkpoints.js";
import { createAuditKeeper } from "../../src/services/audit/audit-keeper.js";
import { createAuditLog } from "../../src/services/audit/audit-log.js";
import { createSecretStore } from "../../src/services/secrets/secret-store.js";
import { startTestServer, type TestServer } from "../support/test-server.js";

let server: TestServer;
const LOGS = "/api/v1/action-logs";
const origin = { requestId: "r-1", address: "127.0.0.1" };

const verify = async () =>
  (await server.request({ as: "admin", path: `${LOGS}/verify` })).body as Record<string, unknown>;
const record = async (fields: object = {}) =>
  await server.audit.record(server.knex, {
    actor: systemActor("test"),
    origin,
    action: "test.make",
    ...fields,
  });
const list = async (query: string) => {
  const response = await server.request({ as: "admin", path: `${LOGS}?${query}` });
  return { ...response, items: (response.body["items"] ?? []) as unknown as Record<string, unknown>[] };
};

describe("audit log", () => {
  beforeAll(async () => {
    server = await startTestServer();
  });
  afterAll(async () => {
    await server.close();
  });

  it("chains without gaps, with twenty writers at once", async () => {
    await Promise.all(
      Array.from({ length: 20 }, async (_, index) => {
        await server.knex
          .transaction(async (trx) => {
            await server.audit.record(trx, {
              actor: systemActor("test"),
              origin,
              action: "test.make",
              after: { index, nested: { b: [1, 2.5, 1e21, -0, "ä\u0000\ud800"], a: null } },
            });
            if (index % 5 === 0) throw new Error("rolled back");
          })
          .catch(() => undefined);
      }),
    );
    const seqs = (await server.knex("action_logs").orderBy("seq").select("seq")).map((row) =>
      Number(row.seq),
    );
    expect(seqs).toEqual(Array.from({ length: 16 }, (_, index) => index + 1));
    expect(await verify()).toMatchObject({
      valid: true,
      checkedCount: 16,
      firstBadSeq: null,
      head: { seq: 16 },
    });
  });

  it("takes no change from SQL", async () => {
    await expect(server.knex("action_logs").where({ seq: 3 }).update({ actor_name: "x" })).rejects.toThrow(
      "append-only",
    );
    await expect(server.knex("action_logs").where({ seq: 3 }).delete()).rejects.toThrow("append-only");
    await expect(server.knex.raw("TRUNCATE action_logs")).rejects.toThrow("append-only");
    await expect(server.knex.raw("TRUNCATE action_logs, audit_checkpoints CASCADE")).rejects.toThrow(
      "append-only",
    );
    const asReplica = server.knex.transaction(async (trx) => {
      await trx.raw("SET LOCAL session_replication_role = replica");
      await trx("action_logs").where({ seq: 3 }).delete();
    });
    await expect(asReplica).rejects.toThrow("append-only");
  });

  it.each([
    ["a changed state", "UPDATE action_logs SET after = '{}' WHERE seq = 5", 5],
    ["a changed actor", "UPDATE action_logs SET actor_name = 'somebody else' WHERE seq = 7", 7],
    ["a changed time", "UPDATE action_logs SET at = at + interval '1 s' WHERE seq = 6", 6],
    ["a missing entry", "DELETE FROM action_logs WHERE seq = 9", 9],
    ["a missing first entry", "DELETE FROM action_logs WHERE seq = 1", 1],
  ])("verify names the first bad one: %s", async (_name, sql, seq) => {
    const trx = await server.knex.transaction();
    try {
      await trx.raw("ALTER TABLE action_logs DISABLE TRIGGER USER");
      await trx.raw(sql);
      const verdict = await createAuditLog({ knex: trx }).verify(AbortSignal.timeout(5000));
      expect(verdict).toMatchObject({ valid: false, firstBadSeq: seq });
    } finally {
      await trx.rollback();
    }
    expect(await verify()).toMatchObject({ valid: true });
  });

  describe("checkpoints", () => {
    const keeperOf = (days?: number) =>
      createAuditKeeper({
        knex: server.knex,
        keys: { encryption: deriveEncryptionKey("test-encryption-key-test-encryption") },
        logger: createLogger({ level: "silent", name: "test" }),
        days,
      });
    /** What somebody who owns the database may do; taken back afterwards. */
    async function tamper(...statements: readonly string[]) {
      const trx = await server.knex.transaction();
      try {
        await trx.raw("ALTER TABLE action_logs DISABLE TRIGGER USER");
        await trx.raw("ALTER TABLE audit_checkpoints DISABLE TRIGGER USER");
        for (const sql of statements) await trx.raw(sql);
        const keys = { encryption: deriveEncryptionKey("test-encryption-key-test-encryption") };
        return await createAuditLog({ knex: trx, keys }).verify(AbortSignal.timeout(5000));
      } finally {
        await trx.rollback();
      }
    }

    it("show that the end was removed, or the whole chain computed anew", async () => {
      expect(await keeperOf().noteHead()).toBe(true);
      expect(await keeperOf().noteHead()).toBe(false);
      const { head } = (await verify()) as { head: { seq: number; hash: string } };
      const cut = await tamper(`DELETE FROM action_logs WHERE seq > ${head.seq - 2}`);
      expect(cut).toMatchObject({ valid: false, firstBadSeq: head.seq - 1 });
      expect(cut.reason).toContain("removed at the end");
      // an honest chain over a changed entry: only the checkpoint knows better
      const anew = await tamper(
        `UPDATE action_logs SET actor_name = 'somebody else' WHERE seq = ${head.seq}`,
        `UPDATE action_logs SET hash = sha256('made up') WHERE seq = ${head.seq}`,
      );
      expect(anew).toMatchObject({ valid: false, firstBadSeq: head.seq });
      const forged = await tamper(
        `UPDATE audit_checkpoints SET hash = sha256('made up'), seq = ${head.seq - 5}`,
      );
      expect(forged).toMatchObject({ valid: false });
      for (const sql of ["DELETE FROM audit_checkpoints", "UPDATE audit_checkpoints SET seq = 1"])
        await expect(server.knex.raw(sql)).rejects.toThrow("append-only");
    });

    it("are not needed where the head was kept elsewhere", async () => {
      const { head } = (await verify()) as { head: { seq: number; hash: string } };
      const ask = async (seq: number, hash: string) =>
        (await server.request({ as: "admin", path: `${LOGS}/verify?seq=${seq}&hash=${hash}` })).body;
      expect(await ask(head.seq, head.hash.toUpperCase())).toMatchObject({ valid: true });
      expect(await ask(head.seq + 1, head.hash)).toMatchObject({ valid: false, firstBadSeq: head.seq + 1 });
      expect(await ask(head.seq, "0".repeat(64))).toMatchObject({ valid: false, firstBadSeq: head.seq });
      expect((await server.request({ as: "admin", path: `${LOGS}/verify?seq=1` })).status).toBe(422);
    });

    it("take the place of what retention removes, and nothing else may go", async () => {
      expect(await keeperOf(1).prune(AbortSignal.timeout(5000))).toBe(0);
      const trx = await server.knex.transaction();
      try {
        await trx.raw("ALTER TABLE action_logs DISABLE TRIGGER USER");
        // as if they had been written long ago: the chain is computed anew over the new times
        await trx.raw("UPDATE action_logs SET at = at - interval '40 days' WHERE seq <= 10");
        await trx.raw("ALTER TABLE action_logs ENABLE TRIGGER USER");
        await trx.raw("ALTER TABLE action_logs ENABLE ALWAYS TRIGGER action_logs_no_removal");
        const keys = { encryption: deriveEncryptionKey("test-encryption-key-test-encryption") };
        const logger = createLogger({ level: "silent", name: "test" });
        const keeper = createAuditKeeper({ knex: trx, keys, logger, days: 30 });
        expect(await keeper.prune(AbortSignal.timeout(5000))).toBe(10);
        const verdict = await createAuditLog({ knex: trx, keys }).verify(AbortSignal.timeout(5000));
        expect(verdict).toMatchObject({ valid: true, prunedThrough: 10 });
        expect(await trx("action_logs").where("action", "audit.prune").first()).toMatchObject({
          after: { throughSeq: 10, count: 10, olderThanDays: 30 },
        });
        const more = trx.transaction(async (inner) => await inner("action_logs").where("seq", 11).delete());
        await expect(more).rejects.toThrow("append-only");
      } finally {
        await trx.rollback();
      }
      expect(await verify()).toMatchObject({ valid: true, prunedThrough: null });
    });
  });

  it("a checkpoint of an unknown key takes the place of nothing; one that was signed anew does", async () => {
    const encryption = deriveEncryptionKey("test-encryption-key-test-encryption");
    const other = deriveEncryptionKey("another key another key another key another");
    const trx = await server.knex.transaction();
    try {
      const { seq, hash } = await trx("action_logs").where("seq", 8).first();
      const put = async (key: typeof encryption) => {
        const signer = createCheckpointSigner({ encryption: key });
        const { keyId, signature, ...made } = signer.sign({ kind: "prune", seq: Number(seq), hash, at: new Date() });
        await trx("audit_checkpoints").insert({ ...made, key_id: keyId, signature });
      };
      await put(other);
      await trx("action_logs").where("seq", "<=", 8).delete();
      const verdictWith = async (keys: { encryption: typeof encryption }) =>
        await createAuditLog({ knex: trx, keys }).verify(AbortSignal.timeout(5000));
      expect(await verdictWith({ encryption })).toMatchObject({ valid: false, firstBadSeq: 8 });
      // as after a rotation, while the earlier key is still at hand
      expect(await renewCheckpoints(trx, { encryption: { ...encryption, readable: [other] } })).toBeGreaterThan(0);
      expect(await renewCheckpoints(trx, { encryption: { ...encryption, readable: [other] } })).toBe(0);
      expect(await verdictWith({ encryption })).toMatchObject({ valid: true, prunedThrough: 8 });
      // nobody signs anew what a stranger has signed
      await trx("audit_checkpoints").insert({
        ...{ kind: "prune", seq: 9, hash: Buffer.alloc(32), at: new Date(), key_id: "0123456789ab" },
        signature: Buffer.alloc(32),
      });
      await renewCheckpoints(trx, { encryption });
      expect(await verdictWith({ encryption })).toMatchObject({ valid: false });
    } finally {
      await trx.rollback();
    }
  });

  it("keeps no secrets, by name or by look", async () => {
    const after = {
      password: "p4ssw0rd",
      config: { apiKey: "sk-123", headers: { Authorization: "Basic abc" }, env: { API_TOKEN: "t0k3n" } },
      note: "key hr_abcdefghijklmnopqrstuvwxyz0123456789 and postgres://me:s3cret@host/db",
      secrets: ["NAME_IS_FINE"],
    };
    await record({ after, entityType: "thing", entityId: "1" });
    const [entry] = (await list("entityType=thing")).items;
    expect(JSON.stringify(entry)).not.toMatch(/p4ssw0rd|sk-123|Basic abc|t0k3n|hr_abc|s3cret/);
    expect(entry).toMatchObject({
      after: { secrets: ["NAME_IS_FINE"], config: { headers: { Authorization: "[redacted]" } } },
    });
    await record({ after: { text: "x".repeat(100_000) }, entityType: "large" });
    expect((await list("entityType=large")).items[0]).toMatchObject({ after: { truncated: true } });
  });

  it("filters and pages", async () => {
    await record({ action: "thing.create", entityType: "filtered", entityId: "a" });
    await record({ action: "thing.delete", entityType: "filtered", entityId: "b", outcome: "denied" });
    const ids = async (query: string) => (await list(query)).items.map((item) => item["entityId"]);
    expect(await ids("entityType=filtered")).toEqual(["b", "a"]);
    expect(await ids("entityType=filtered&entityId=a")).toEqual(["a"]);
    expect(await ids("action=thing.delete")).toEqual(["b"]);
    expect(await ids("action=thing.*")).toEqual(["b", "a"]);
    expect(await ids("entityType=filtered&from=2099-01-01")).toEqual([]);
    expect(await ids("entityType=filtered&to=2099-01-01T00:00:00Z&actor=test")).toEqual(["b", "a"]);
    expect(await ids(`actor=${server.users.viewer.id}`)).toEqual([]);
    const first = await list("entityType=filtered&limit=1");
    const next = await list(
      `entityType=filtered&limit=1&cursor=${first.body["nextCursor"] as unknown as string}`,
    );
    expect([first.items[0]?.["entityId"], next.items[0]?.["entityId"], next.body["nextCursor"]]).toEqual([
      "b",
      "a",
      null,
    ]);
    for (const bad of ["cursor=abc", "from=yesterday", "from=2026-02-30", "action=x", "format=xml"]) {
      expect([bad, (await list(bad)).status]).toEqual([bad, 422]);
    }
  });

  it("exports CSV that no spreadsheet runs, and NDJSON", async () => {
    for (const name of [
      '=HYPERLINK("http://evil")',
      "+cmd",
      "@x",
      "-1",
      "  =1+1",
      'a "quoted", cell\nin two lines',
    ]) {
      await record({ actor: systemActor(name), action: "csv.make" });
    }
    const csv = await server.request({ as: "admin", path: `${LOGS}?format=csv&action=csv.make` });
    expect(csv.headers["content-type"]).toMatch(/^text\/csv/);
    expect(csv.headers["content-disposition"]).toContain("attachment");
    expect(csv.text).toContain(`"'=HYPERLINK(""http://evil"")"`);
    for (const cell of [",'+cmd,", ",'@x,", ",'-1,", ",'  =1+1,", '"a ""quoted"", cell\nin two lines"'])
      expect(csv.text).toContain(cell);
    const ndjson = await server.request({ as: "admin", path: `${LOGS}?format=ndjson&action=csv.make` });
    const rows = ndjson.text
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as { action: string });
    expect(rows.map((row) => row.action)).toEqual(Array.from({ length: 6 }, () => "csv.make"));
  });

  describe("secrets", () => {
    const put = async (name: string, body: object, headers: Record<string, string> = {}) =>
      await server.request({ method: "PUT", path: `/api/v1/secrets/${name}`, body, headers });
    const VALUE = "s3cr3t-välue";

    it("go in, and never come out", async () => {
      const made = await put("API_TOKEN", {
        value: VALUE,
        description: "for the API",
        hosts: ["api.example.com"],
      });
      expect(made.status).toBe(201);
      expect(made.headers.location).toBe("/api/v1/secrets/API_TOKEN");
      expect(made.body).toMatchObject({ name: "API_TOKEN", hosts: ["api.example.com"], revision: 1 });
      const shown = await server.request({ as: "admin", path: "/api/v1/secrets/API_TOKEN" });
      const listed = await server.request({ as: "viewer", path: "/api/v1/secrets" });
      const logs = await server.request({ as: "admin", path: `${LOGS}?entityType=secret` });
      for (const response of [made, shown, listed, logs]) expect(response.text).not.toContain(VALUE);
      expect(shown.body).toEqual(made.body);
      const dump = JSON.stringify((await server.knex("secrets")).map((row) => String(row.ciphertext)));
      expect(dump).not.toContain("s3cr3t");
      expect(await server.secrets.readValues(["API_TOKEN", "NO_SUCH"])).toEqual({ API_TOKEN: VALUE });
      expect((await server.secrets.readBound(["API_TOKEN"])).get("API_TOKEN")?.hosts).toEqual([
        "api.example.com",
      ]);
      expect(await server.secrets.existing(["API_TOKEN", "NO_SUCH"])).toEqual(new Set(["API_TOKEN"]));
    });

    it("are replaced, with revisions, and deleted", async () => {
      const again = await put("API_TOKEN", { value: "new" }, { "if-match": '"1"' });
      expect([again.status, again.body["revision"], again.body["hosts"]]).toEqual([200, 2, null]);
      expect((await put("API_TOKEN", { value: "newer" }, { "if-match": '"1"' })).status).toBe(412);
      expect(await server.secrets.readValues(["API_TOKEN"])).toEqual({ API_TOKEN: "new" });
      const gone = { method: "DELETE", path: "/api/v1/secrets/API_TOKEN" };
      expect((await server.request(gone)).status).toBe(204);
      expect((await server.request(gone)).status).toBe(404);
    });

    it.each<[string, string, object, number]>([
      ["lower case", "lower", { value: "x" }, 422],
      ["a blank", "A%20B", { value: "x" }, 422],
      ["1 MiB", "LARGE", { value: "x".repeat(1024 * 1024) }, 413],
      ["empty", "EMPTY", { value: "" }, 422],
      ["binary", "BINARY", { value: "a\u0001b" }, 422],
      ["no text", "NUMBER", { value: 1 }, 422],
      ["a field too many", "MORE", { value: "x", createdBy: "me" }, 422],
      ["a URL for a host", "HOSTS", { value: "x", hosts: ["http://a/b"] }, 422],
    ])("refuse %s", async (_case, name, body, status) => {
      expect((await put(name, body)).status).toBe(status);
    });

    it("take __PROTO__ for a name like any other", async () => {
      expect((await put("__PROTO__", { value: "x" })).status).toBe(201);
      expect(Object.entries(await server.secrets.readValues(["__PROTO__"]))).toEqual([["__PROTO__", "x"]]);
      const own = await put("__PROTO__", { value: "y" });
      expect(own.status).toBe(200);
    });

    it("two first writes at once: one is created, one replaced", async () => {
      const both = await Promise.all([put("RACE", { value: "a" }), put("RACE", { value: "b" })]);
      expect(both.map((response) => response.status).sort()).toEqual([200, 201]);
    });

    it("come in pages, newest first", async () => {
      for (const name of ["P_1", "P_2", "P_3"]) await put(name, { value: "x" });
      const names: string[] = [];
      let cursor: string | null = "";
      while (cursor !== null) {
        const path: string = `/api/v1/secrets?limit=1${cursor && `&cursor=${cursor}`}`;
        const { body } = await server.request({ path });
        names.push(...(body["items"] as unknown as { name: string }[]).map((secret) => secret.name));
        cursor = body["nextCursor"] as unknown as string | null;
      }
      expect(names.slice(0, 3)).toEqual(["P_3", "P_2", "P_1"]);
      expect(new Set(names).size).toBe(names.length);
      expect((await server.request({ path: "/api/v1/secrets?cursor=abc" })).status).toBe(422);
    });

    it("K19 say that they cannot be decrypted with another key, or in another row", async () => {
      const keys = { encryption: deriveEncryptionKey("another key another key another key") };
      const other = createSecretStore({ knex: server.knex, audit: server.audit, keys });
      await expect(other.readValues(["P_1"])).rejects.toThrow(/Cannot decrypt secret:P_1/);
      await server.knex.raw(
        "UPDATE secrets SET ciphertext = (SELECT ciphertext FROM secrets WHERE name = 'P_2') WHERE name = 'P_1'",
      );
      await expect(server.secrets.readValues(["P_1"])).rejects.toThrow(/Cannot decrypt secret:P_1/);
      expect(await server.secrets.readValues(["P_2"])).toEqual({ P_2: "x" });
    });
  });
});
