import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { deriveEncryptionKey, loadKeys, renewKeptEncryptionKey } from "../../src/config/load-keys.js";
import { systemActor } from "../../src/core/actor.js";
import { newId } from "../../src/core/ids.js";
import { createAuditLog } from "../../src/services/audit/audit-log.js";
import { createCipher } from "../../src/services/secrets/cipher.js";
import { listKeyUse, rotateKeys } from "../../src/services/secrets/rotate-keys.js";
import { retireKeys } from "../../src/services/secrets/retire-keys.js";
import { toAppError } from "../../src/http/to-app-error.js";
import { SEALED_COLUMNS, sealContext } from "../../src/services/secrets/sealed-columns.js";
import { createSecretStore } from "../../src/services/secrets/secret-store.js";
import { createTestDatabase } from "../support/test-database.js";

type Database = Awaited<ReturnType<typeof createTestDatabase>>;
let database: Database;
const FIRST = deriveEncryptionKey("the first key the first key the first key");
const SECOND = deriveEncryptionKey("the second key the second key the second");
const LOST = deriveEncryptionKey("the lost key the lost key the lost key los");
const who = { actor: systemActor("test"), origin: { requestId: "r", address: null } };

const storeOf = (encryption: typeof FIRST & { readable?: readonly (typeof FIRST)[] }) =>
  createSecretStore({
    knex: database.knex,
    audit: createAuditLog({ knex: database.knex }),
    keys: { encryption },
  });
const rotate = async (encryption: Parameters<typeof storeOf>[0]) =>
  await rotateKeys({
    knex: database.knex,
    cipher: createCipher({ encryption }),
    audit: createAuditLog({ knex: database.knex }),
  });

/** One row in each table that is not made through the store, sealed as its own service does. */
async function addOthers(): Promise<Record<string, string>> {
  const cipher = createCipher({ encryption: FIRST });
  const ids = { external_db_configs: newId(), webhooks: newId(), llm_providers: newId() };
  const seal = (kind: "external-db" | "webhook" | "llm-provider", id: string) =>
    cipher.seal(`value of ${kind}`, sealContext(kind, id));
  const db = seal("external-db", ids.external_db_configs);
  await database.knex("external_db_configs").insert({
    ...{ id: ids.external_db_configs, name: "db", db_type: "mysql", config: "{}" },
    ...{ secret_names: ["password"], secret_key_id: db.keyId, secret_ciphertext: db.ciphertext },
  });
  const hook = seal("webhook", ids.webhooks);
  await database.knex("webhooks").insert({
    ...{ id: ids.webhooks, name: "hook", token_hash: Buffer.alloc(32), mode: "accepted", wait_seconds: 30 },
    ...{ secret_key_id: hook.keyId, secret_ciphertext: hook.ciphertext },
  });
  const llm = seal("llm-provider", ids.llm_providers);
  await database.knex("llm_providers").insert({
    ...{ id: ids.llm_providers, name: "llm", base_url: "https://llm.example", has_api_key: true },
    ...{ credentials_key_id: llm.keyId, credentials_ciphertext: llm.ciphertext },
  });
  return ids;
}

describe("rotation of the encryption key", () => {
  beforeAll(async () => {
    database = await createTestDatabase();
  });
  afterAll(async () => {
    await database.drop();
  });

  it("knows every column of the schema that holds ciphertext", async () => {
    const { rows } = await database.knex.raw(
      `SELECT table_name, column_name FROM information_schema.columns
       WHERE table_schema = current_schema() AND column_name LIKE '%ciphertext%'`,
    );
    const found = (rows as { table_name: string; column_name: string }[]).map(
      (row) => `${row.table_name}.${row.column_name}`,
    );
    expect(found.sort()).toEqual(SEALED_COLUMNS.map((each) => `${each.table}.${each.ciphertext}`).sort());
  });

  it("encrypts everything anew, while others read and write with both keys", async () => {
    const before = storeOf(FIRST);
    for (let index = 0; index < 250; index += 1)
      await before.put(who, `S_${index}`, { value: `value ${index}` });
    const ids = await addOthers();
    const revisions = await database.knex("secrets").select("name", "revision", "updated_at").orderBy("name");
    // a process that was restarted, and one that knows the coming key: both must read all the time
    const after = storeOf({ ...SECOND, readable: [FIRST] });
    const old = storeOf({ ...FIRST, readable: [SECOND] });
    let isDone = false;
    const reading = (async () => {
      while (!isDone) {
        for (const store of [old, after])
          expect(await store.readValues(["S_0", "S_120", "S_249"])).toEqual({
            S_0: "value 0",
            S_120: "value 120",
            S_249: "value 249",
          });
      }
    })();
    const writing = old.put(who, "S_WRITTEN", { value: "meanwhile" });
    const report = await rotate({ ...SECOND, readable: [FIRST] });
    await writing;
    isDone = true;
    await reading;
    await rotate({ ...SECOND, readable: [FIRST] });
    expect(report.rotated).toMatchObject({ external_db_configs: 1, webhooks: 1, llm_providers: 1 });
    expect(report.unreadable).toEqual([]);
    expect(new Set((await listKeyUse(database.knex)).map((use) => use.keyId))).toEqual(new Set([SECOND.id]));
    const alone = createCipher({ encryption: SECOND });
    for (const { table, id, keyId, ciphertext, context } of SEALED_COLUMNS.slice(1)) {
      const row = await database.knex(table).where(id, ids[table]).first();
      const sealed = { keyId: row[keyId], ciphertext: row[ciphertext] };
      expect(alone.unseal(sealed, sealContext(context, row[id]))).toBe(`value of ${context}`);
    }
    expect(await storeOf(SECOND).readValues(["S_0", "S_WRITTEN"])).toEqual({
      S_0: "value 0",
      S_WRITTEN: "meanwhile",
    });
    // the values are the same, so to its readers nothing has changed
    const now = await database.knex("secrets").select("name", "revision", "updated_at").orderBy("name");
    expect(now.filter(({ name }) => name !== "S_WRITTEN")).toEqual(revisions);
    const entries = await database.knex("action_logs").where("action", "secret.rotate");
    expect(entries.length).toBeGreaterThan(3);
    await expect(storeOf(FIRST).readValues(["S_0"])).rejects.toThrow(
      `Cannot decrypt secret:S_0 with the present ENCRYPTION_KEY: it was made with the key ${SECOND.id}`,
    );
  });

  it("can be cut off and taken up again", async () => {
    const stop = new AbortController();
    const keys = { ...FIRST, readable: [SECOND] };
    const audit = createAuditLog({ knex: database.knex });
    const stopping = {
      ...audit,
      record: async (...call: Parameters<typeof audit.record>) => {
        await audit.record(...call);
        stop.abort(new Error("cut off"));
      },
    };
    const cipher = createCipher({ encryption: keys });
    const cut = rotateKeys({ knex: database.knex, cipher, audit: stopping }, stop.signal);
    await expect(cut).rejects.toThrow("cut off");
    const uses = await listKeyUse(database.knex);
    const inSecrets = uses.filter(({ table }) => table === "secrets").map(({ keyId }) => keyId);
    expect(inSecrets.sort()).toEqual([FIRST.id, SECOND.id].sort());
    expect(await storeOf(keys).readValues(["S_0", "S_249"])).toEqual({ S_0: "value 0", S_249: "value 249" });
    await rotate(keys);
    expect(await storeOf(FIRST).readValues(["S_0", "S_249"])).toEqual({ S_0: "value 0", S_249: "value 249" });
  });

  it("leaves what no key opens as it is, and says where that is", async () => {
    await storeOf(LOST).put(who, "GONE", { value: "x" });
    const row = await database.knex("secrets").where("name", "GONE").first();
    const report = await rotate({ ...SECOND, readable: [FIRST] });
    expect(report.unreadable).toEqual([{ table: "secrets", id: "GONE", keyId: LOST.id }]);
    expect(await database.knex("secrets").where("name", "GONE").first()).toEqual(row);
  });

  it("lets nobody store anything with a key that was retired, also who was writing just then", async () => {
    const retired = deriveEncryptionKey("the retired key the retired key the retire");
    const old = storeOf(retired);
    await old.put(who, "BEFORE", { value: "x" });
    const writing = Promise.allSettled(
      Array.from({ length: 40 }, async (_, index) => await old.put(who, `LATE_${index}`, { value: "y" })),
    );
    await retireKeys(database.knex, [retired.id]);
    await retireKeys(database.knex, [retired.id]);
    const rowsThen = await database.knex("secrets").where("key_id", retired.id).count("* as count");
    await writing;
    // whatever was stored was there when the retirement was: a last rotation takes it along
    expect(await database.knex("secrets").where("key_id", retired.id).count("* as count")).toEqual(rowsThen);
    await expect(old.put(who, "AFTER", { value: "x" })).rejects.toMatchObject({ code: "HRK01" });
    expect(toAppError(await old.put(who, "BEFORE", { value: "z" }).catch((error: unknown) => error))).toMatchObject({
      code: "NOT_READY",
    });
    for (const { table, id, keyId, ciphertext } of SEALED_COLUMNS.slice(1)) {
      const row = await database.knex(table).first(id);
      const change = { [keyId]: retired.id, [ciphertext]: Buffer.alloc(40) };
      await expect(database.knex(table).where(id, row[id]).update(change)).rejects.toThrow("retired");
    }
    await rotate({ ...SECOND, readable: [FIRST, retired] });
    expect(await storeOf(SECOND).readValues(["BEFORE"])).toEqual({ BEFORE: "x" });
    expect((await listKeyUse(database.knex)).map(({ keyId }) => keyId)).not.toContain(retired.id);
  });

  it("renews the kept key, which running processes then find by themselves", () => {
    const folder = mkdtempSync(join(tmpdir(), "headrace-keys-"));
    try {
      const settings = { DATA_DIR: folder, JWT_SECRET: undefined, ENCRYPTION_KEY: undefined };
      const running = createCipher(loadKeys(settings));
      const sealed = running.seal("value", "secret:A");
      renewKeptEncryptionKey(settings);
      const renewed = createCipher(loadKeys(settings));
      expect(renewed.keyId).not.toBe(running.keyId);
      expect(renewed.unseal(sealed, "secret:A")).toBe("value");
      expect(running.unseal(renewed.seal("new", "secret:A"), "secret:A")).toBe("new");
      expect(statSync(join(folder, "keys.json")).mode & 0o777).toBe(0o600);
      expect(JSON.parse(readFileSync(join(folder, "keys.json"), "utf8"))).toHaveProperty("oldEncryptionKeys");
      expect(() => renewKeptEncryptionKey({ ...settings, ENCRYPTION_KEY: "k".repeat(40) })).toThrow(
        "DECRYPTION_KEYS",
      );
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
