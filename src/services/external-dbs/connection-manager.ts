import type { Knex } from "knex";
import type { Keys } from "../../config/load-keys.js";
import { findConnector } from "../../connectors/registry.js";
import type { Connector, ConnectorGround } from "../../connectors/types.js";
import { ExternalDbConfigModel } from "../../models/external-db-config-model.js";
import type { NameLookup } from "../name-lookup.js";
import { createCipher } from "../secrets/cipher.js";
import { openDbSecrets } from "./db-secrets.js";

/** The open ways from this process to external databases: made at first use, closed when nobody has used them for a while. */
export interface ConnectionManager extends NameLookup {
  readonly ground: ConnectorGround;
  /** Works with a database as its configuration is now. @throws ConnectorError; AppError NOT_READY without its key. */
  use<T>(row: ExternalDbConfigModel, work: (connector: Connector) => Promise<T>): Promise<T>;
  /** The configuration by its name, or undefined. */
  find(name: string): Promise<ExternalDbConfigModel | undefined>;
  close(): Promise<void>;
}

interface Held {
  readonly revision: number;
  readonly connector: Connector;
  users: number;
  idleSince: number;
}

const IDLE_MS = 60_000;
const SWEEP_MS = 15_000;

/** Makes the manager. */
export function createConnectionManager(deps: {
  readonly knex: Knex;
  readonly keys: Pick<Keys, "encryption">;
  readonly ground: ConnectorGround;
}): ConnectionManager {
  const { knex, ground } = deps;
  const cipher = createCipher(deps.keys);
  const connectors = createOpenConnectors((row) =>
    findConnector(row.dbType).open(row.config, openDbSecrets(cipher, row), ground),
  );
  return {
    ground,
    async use(row, work) {
      const held = connectors.take(row);
      try {
        return await work(held.connector);
      } finally {
        connectors.giveBack(held);
      }
    },
    find: async (name) => await ExternalDbConfigModel.query(knex).findOne({ name }),
    async existing(names) {
      if (names.length === 0) return [];
      const rows = await ExternalDbConfigModel.query(knex)
        .select("name")
        .whereIn("name", [...names]);
      return rows.map(({ name }) => name);
    },
    close: connectors.close,
  };
}

/** The connectors that are open: one for each database, as its configuration is now. */
function createOpenConnectors(open: (row: ExternalDbConfigModel) => Connector) {
  const current = new Map<string, Held>();
  const outdated = new Set<Held>();
  const closing = new Set<Promise<void>>();

  function end(held: Held): void {
    outdated.delete(held);
    const closed = held.connector.close().catch(() => undefined);
    closing.add(closed);
    void closed.then(() => closing.delete(closed));
  }

  const timer = setInterval(() => {
    const oldest = performance.now() - IDLE_MS;
    for (const [id, held] of current) {
      if (held.users > 0 || held.idleSince > oldest) continue;
      current.delete(id);
      end(held);
    }
  }, SWEEP_MS).unref();

  return {
    take(row: ExternalDbConfigModel): Held {
      const known = current.get(row.id);
      const isCurrent = known?.revision === row.revision;
      const held = isCurrent
        ? known
        : { revision: row.revision, connector: open(row), users: 0, idleSince: 0 };
      if (known && !isCurrent) outdated.add(known);
      if (known && !isCurrent && known.users === 0) end(known);
      current.set(row.id, held);
      held.users += 1;
      return held;
    },
    giveBack(held: Held): void {
      held.users -= 1;
      held.idleSince = performance.now();
      if (held.users === 0 && outdated.has(held)) end(held);
    },
    async close(): Promise<void> {
      clearInterval(timer);
      for (const held of [...current.values(), ...outdated]) end(held);
      current.clear();
      await Promise.all(closing);
    },
  };
}
