import type { Knex } from "knex";
import type { JsonValue } from "../../src/core/json.js";
import type { McpType } from "../../src/executors/types.js";

/** What a worker needs of an MCP version. Versions never change. */
export interface Component {
  readonly type: McpType;
  readonly config: { readonly timeoutSeconds?: number };
  readonly inputSchema: JsonValue | null;
  readonly outputSchema: JsonValue | null;
  readonly secrets: readonly string[];
  /** The external databases that it may use, by name. */
  readonly externalDbs: readonly string[];
}

const MOST_COMPONENTS = 200;

/** MCP versions, read once per worker; the least recently read goes first. */
export function createComponentCache(deps: { knex: Knex }) {
  const components = new Map<string, Component>();
  return async function getComponent(mcpVersionId: string): Promise<Component> {
    const known = components.get(mcpVersionId);
    if (known) return known;
    const row = await deps
      .knex("mcp_versions")
      .first("config", "input_schema", "output_schema", "secrets", "external_db_configs")
      .where("id", mcpVersionId);
    if (!row) throw new Error(`MCP version ${mcpVersionId} is gone`);
    const component: Component = {
      type: row.config.type,
      config: row.config,
      inputSchema: row.input_schema,
      outputSchema: row.output_schema,
      secrets: row.secrets,
      externalDbs: row.external_db_configs,
    };
    components.set(mcpVersionId, component);
    const [oldest] = components.keys();
    if (components.size > MOST_COMPONENTS && oldest !== undefined) components.delete(oldest);
    return component;
  };
}

/** See {@link createComponentCache}. */
export type ComponentCache = ReturnType<typeof createComponentCache>;
