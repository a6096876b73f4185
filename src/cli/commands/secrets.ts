import type { Knex } from "knex";
import {
  forgetKeptEncryptionKeys,
  listForgettableKeys,
  loadKeys,
  renewKeptEncryptionKey,
} from "../../config/load-keys.js";
import { loadSettings } from "../../config/load-settings.js";
import type { Settings } from "../../config/settings-schema.js";
import { withDatabase } from "../../lifecycle/with-database.js";
import { openDatabase } from "../../models/database.js";
import { createAuditLog } from "../../services/audit/audit-log.js";
import { renewCheckpoints } from "../../services/audit/renew-checkpoints.js";
import { createCipher } from "../../services/secrets/cipher.js";
import { retireKeys } from "../../services/secrets/retire-keys.js";
import { listKeyUse, type RotationReport, rotateKeys } from "../../services/secrets/rotate-keys.js";
import { CliError, EXIT, type ExitCode } from "../cli-error.js";
import { formatTable, type Output } from "../output.js";
import type { CommandContext } from "../program.js";

/** `headrace secrets keys`: which keys made what is stored, and which of them are at hand. */
export async function listKeys({ output }: CommandContext): Promise<ExitCode> {
  const settings = loadSettings();
  const { encryption } = loadKeys(settings);
  const states = new Map([
    ...(encryption.readable ?? []).map(({ id }) => [id, "readable"] as const),
    [encryption.id, "present"] as const,
  ]);
  return await withRows(settings, output, async (knex) => {
    const uses = (await listKeyUse(knex)).map((use) => ({
      ...use,
      state: states.get(use.keyId) ?? "missing",
    }));
    const rows = uses.map(({ keyId, state, table, count }) => [keyId, state, table, String(count)]);
    output.result({ present: encryption.id, uses }, formatTable(["KEY", "STATE", "TABLE", "VALUES"], rows));
    return uses.some(({ state }) => state === "missing") ? EXIT.failed : EXIT.ok;
  });
}

/**
 * `headrace secrets rotate`: encrypts everything anew with the present key. Safe while Headrace runs, and to be run
 * again when it was cut off. Exit code 1 when something is left that no key at hand opens.
 */
export async function rotateSecrets(
  options: { newKey?: boolean; forgetOld?: boolean },
  { output }: CommandContext,
): Promise<ExitCode> {
  const settings = loadSettings();
  if (options.newKey) {
    renewKeptEncryptionKey(settings);
    output.say("A new key is in keys.json; the earlier one stays readable.");
  }
  return await withRows(settings, output, async (knex) => {
    const keys = loadKeys(settings);
    const deps = { knex, cipher: createCipher(keys), audit: createAuditLog({ knex }) };
    const forgotten = options.forgetOld ? listForgettableKeys(settings) : [];
    const begun = await rotateKeys(deps);
    // what an old process wrote meanwhile is taken along, and from then on it can write no more
    await retireKeys(knex, forgotten);
    const report = forgotten.length === 0 ? begun : addReports(begun, await rotateKeys(deps));
    await renewCheckpoints(knex, keys);
    const counts = Object.entries(report.rotated).map(([table, count]) => `${count} of ${table}`);
    const left = report.unreadable.map(({ table, id, keyId }) => `  ${table} ${id} (key ${keyId})`);
    const lines = [
      counts.length > 0
        ? `Encrypted anew with key ${report.keyId}: ${counts.join(", ")}.`
        : `Everything that can be read is encrypted with key ${report.keyId}.`,
      ...(left.length > 0 ? ["No key at hand opens these; add theirs to DECRYPTION_KEYS:", ...left] : []),
    ];
    output.result(report, lines.join("\n"));
    if (left.length > 0) return EXIT.failed;
    if (options.forgetOld) {
      forgetKeptEncryptionKeys(settings);
      output.say(
        "The earlier keys are gone from keys.json; what still runs with one can store no more secrets.",
      );
    }
    return EXIT.ok;
  });
}

function addReports(one: RotationReport, other: RotationReport): RotationReport {
  const rotated = { ...one.rotated };
  for (const [table, count] of Object.entries(other.rotated)) rotated[table] = (rotated[table] ?? 0) + count;
  return { ...other, rotated };
}

async function withRows(
  settings: Settings,
  output: Output,
  work: (knex: Knex) => Promise<ExitCode>,
): Promise<ExitCode> {
  const logger = { info: () => undefined, warn: (_: object, text: string) => output.warn(text) };
  return await withDatabase(settings, logger, async ({ DATABASE_URL }) => {
    const knex = openDatabase({ url: DATABASE_URL, poolSize: 2, applicationName: "headrace-secrets" });
    try {
      if (!(await knex.schema.hasTable("secrets")))
        throw new CliError("The database has no schema yet. Run headrace migrate first.");
      return await work(knex);
    } finally {
      await knex.destroy();
    }
  });
}
