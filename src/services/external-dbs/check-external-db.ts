import { findConnector } from "../../connectors/registry.js";
import type { ConnectorGround, DbSecrets } from "../../connectors/types.js";
import type { DbType } from "../../contracts/api/external-db-configs.js";
import { toSchemaFaults } from "../../contracts/schema-faults.js";
import { isJsonObject, type JsonObject, type JsonValue } from "../../core/json.js";
import { type FieldFault, invalidFields } from "../../errors/app-error.js";

/** A configuration that its connector takes, apart from its secrets. */
export interface CheckedExternalDb {
  readonly config: JsonObject;
  readonly secrets: DbSecrets;
}

/** The members of a body that are secrets. */
const SECRET_NAMES: readonly (keyof DbSecrets)[] = ["password", "credentials"];

/**
 * Judges what was given for a database of a type; null and undefined stand for nothing.
 * @throws AppError INVALID_FIELDS with every fault.
 */
export function checkExternalDb(
  dbType: DbType,
  given: Readonly<Record<string, unknown>>,
  ground: ConnectorGround,
): CheckedExternalDb {
  const definition = findConnector(dbType);
  const { config, secrets } = splitSecrets(given);
  const faults: FieldFault[] = SECRET_NAMES.filter(
    (name) => secrets[name] !== undefined && !definition.secretNames.includes(name),
  ).map((name) => ({ path: `/${name}`, message: `is no field of ${definition.label}` }));
  const parsed = definition.configSchema.safeParse(config);
  if (!parsed.success) faults.push(...toSchemaFaults(parsed.error.issues));
  else faults.push(...definition.findFaults(parsed.data, secrets, ground));
  if (faults.length > 0 || !parsed.success) throw invalidFields(faults);
  return { config: parsed.data, secrets };
}

/**
 * A stored secret must not be sent to a server that it was not given for: who changes where it goes gives it again.
 * @throws AppError INVALID_FIELDS
 */
export function demandSecretsAgain(
  dbType: DbType,
  change: Readonly<Record<string, unknown>>,
  before: JsonObject,
  stored: DbSecrets,
): void {
  const moved = findConnector(dbType).targetNames.filter(
    (name) => change[name] !== undefined && !isSame(change[name], before[name]),
  );
  const missing = SECRET_NAMES.filter((name) => stored[name] !== undefined && change[name] === undefined);
  if (moved.length === 0 || missing.length === 0) return;
  throw invalidFields(
    missing.map((name) => ({
      path: `/${name}`,
      message: `must be given again when ${moved.join(" and ")} changes`,
    })),
  );
}

function splitSecrets(given: Readonly<Record<string, unknown>>): CheckedExternalDb {
  const present = Object.entries(given).filter(([, value]) => value !== undefined && value !== null);
  const isSecret = ([name]: [string, unknown]) => SECRET_NAMES.some((secret) => secret === name);
  return {
    config: Object.fromEntries(present.filter((entry) => !isSecret(entry))) as JsonObject,
    secrets: Object.fromEntries(present.filter(isSecret)) as DbSecrets,
  };
}

function isSame(one: unknown, other: JsonValue | undefined): boolean {
  if (isJsonObject(one) || isJsonObject(other)) return JSON.stringify(one) === JSON.stringify(other);
  return (one ?? undefined) === (other ?? undefined);
}
