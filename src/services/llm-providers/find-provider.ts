import type { Knex } from "knex";
import type { Keys } from "../../config/load-keys.js";
import { BUILT_IN_PROVIDER } from "../../contracts/api/llm-providers.js";
import type { FindLlmProvider } from "../../executors/llm/llm-provider.js";
import { LlmProviderModel } from "../../models/llm-provider-model.js";
import type { NameLookup } from "../name-lookup.js";
import { createCipher } from "../secrets/cipher.js";
import { type BuiltInSettings, readBuiltIn } from "./built-in-provider.js";
import { openKey } from "./provider-key.js";

/**
 * What a worker looks providers up with, their keys included. Without a name: the default one, else the one that the
 * settings make, else the only one that there is. Its errors are those of unsealing: AppError NOT_READY.
 */
export function createProviderFinder(deps: {
  readonly knex: Knex;
  readonly keys: Pick<Keys, "encryption">;
  readonly settings: BuiltInSettings;
}): FindLlmProvider {
  const { knex, settings } = deps;
  const cipher = createCipher(deps.keys);

  async function findRow(name: string | undefined): Promise<LlmProviderModel | undefined> {
    const query = LlmProviderModel.query(knex);
    if (name !== undefined) return await query.where("name", name).first();
    const [first, second] = await query.orderBy([{ column: "is_default", order: "desc" }, "name"]).limit(2);
    if (first?.isDefault) return first;
    const isBuiltInThere = readBuiltIn(settings) !== undefined;
    if (isBuiltInThere) return await LlmProviderModel.query(knex).where("name", BUILT_IN_PROVIDER).first();
    return second ? undefined : first;
  }

  return async (name) => {
    const row = await findRow(name);
    if (row) {
      const { baseUrl, models } = row;
      return { name: row.name, baseUrl, apiKey: openKey(cipher, row), models };
    }
    const builtIn = readBuiltIn(settings);
    const isMeant = name === undefined || name === BUILT_IN_PROVIDER;
    return builtIn && isMeant ? { ...builtIn, models: [] } : undefined;
  };
}

/** Says which names are those of providers. The built-in one's always is: settings come and go. */
export function createProviderLookup(knex: Knex): NameLookup {
  return {
    async existing(names) {
      const rows = await LlmProviderModel.query(knex).select("name").whereIn("name", [...names]);
      return [BUILT_IN_PROVIDER, ...rows.map((row) => row.name)];
    },
  };
}
