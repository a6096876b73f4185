import type { Knex } from "knex";
import type { Keys } from "../../config/load-keys.js";
import type { Settings } from "../../config/settings-schema.js";
import type { LlmProvider } from "../../executors/llm/llm-ports.js";
import { ExecutionError } from "../../executors/types.js";
import { LlmProviderModel } from "../../models/llm-provider-model.js";
import { createCipher } from "../secrets/cipher.js";
import { openCredentials } from "./provider-credentials.js";

const OPENAI_URL = "https://api.openai.com/v1";
const IMPLICIT_NAME = "default";

/** What the look-up depends on. */
export interface FindProviderDeps {
  readonly knex: Knex;
  readonly keys: Pick<Keys, "encryption">;
  readonly settings: Pick<Settings, "OPENAI_API_KEY" | "OPENAI_BASE_URL">;
}

/** See `LlmPorts.findProvider`: read anew each time, so that a change counts for the next call. */
export function createProviderFinder({ knex, keys, settings }: FindProviderDeps) {
  const cipher = createCipher(keys);

  return async function findProvider(name: string | undefined): Promise<LlmProvider> {
    const row = await LlmProviderModel.query(knex)
      .where(name === undefined ? { is_default: true } : { name })
      .first();
    if (row) {
      const { apiKey, headers } = openCredentials(cipher, row);
      return { name: row.name, baseUrl: row.baseUrl, apiKey, headers, models: row.models };
    }
    const others = await LlmProviderModel.query(knex).select("name").orderBy("name").limit(20);
    const implicit = toImplicitProvider(settings);
    if (others.length === 0 && implicit && (name ?? IMPLICIT_NAME) === IMPLICIT_NAME) return implicit;
    throw new ExecutionError(
      "invalid_input",
      describeMissing(
        name,
        others.map((other) => other.name),
      ),
    );
  };
}

/** The provider of the settings `OPENAI_API_KEY` and `OPENAI_BASE_URL`, as long as none is configured. */
export function toImplicitProvider({
  OPENAI_API_KEY: apiKey,
  OPENAI_BASE_URL: baseUrl,
}: FindProviderDeps["settings"]): LlmProvider | undefined {
  if (apiKey === undefined && baseUrl === undefined) return undefined;
  const url = (baseUrl ?? OPENAI_URL).replace(/\/+$/, "");
  return { name: IMPLICIT_NAME, baseUrl: url, apiKey, headers: {}, models: [] };
}

/** What the operator has named may be reached, be it private: `host:port` of `OPENAI_BASE_URL`. */
export function listImplicitHosts({ OPENAI_BASE_URL: baseUrl }: Pick<Settings, "OPENAI_BASE_URL">): string[] {
  if (baseUrl === undefined) return [];
  const { hostname, port, protocol } = new URL(baseUrl);
  return [`${hostname}:${port === "" ? (protocol === "https:" ? "443" : "80") : port}`];
}

function describeMissing(name: string | undefined, known: readonly string[]): string {
  const list = known.length > 0 ? `; there are ${known.join(", ")}` : "; none is configured";
  return name === undefined
    ? `The prompt names no provider, and none is the default${list}`
    : `There is no LLM provider "${name}"${list}`;
}
