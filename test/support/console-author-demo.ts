import { spawnSync } from "node:child_process";
import type { DemoCall } from "./console-demo.js";

const ENRICH = `def main(orders, rate=1.0):
    """Adds what each order is worth in the currency of the report."""
    print(f"enriching {len(orders)} orders at {rate}")
    return {"orders": [{**order, "worth": order["amount"] * rate} for order in orders]}
`;
const ORDERS = {
  type: "object",
  properties: {
    orders: { type: "array", items: { type: "object" }, description: "What was ordered" },
    rate: { type: "number", description: "Exchange rate", default: 1 },
  },
  required: ["orders"],
};
const ENRICHED = { type: "object", properties: { orders: { type: "array" } }, required: ["orders"] };

/** Ids of what there is to be looked at. */
export interface AuthorDemo {
  readonly databaseId: string;
}

/** Adds components of several types, a schedule, a webhook, a database, secrets: what authors and admins look at. */
export async function fillForAuthors(call: DemoCall, databaseFile: string): Promise<AuthorDemo> {
  await call("PUT", "/api/v1/secrets/SHOP_API_TOKEN", {
    value: "not a real one",
    description: "Reads orders from the shop",
    hosts: ["api.shop.example"],
  });
  await call("PUT", "/api/v1/secrets/WAREHOUSE_PASSWORD", { value: "not a real one either" });
  await addComponents(call);
  const workflow = "daily-revenue";
  await call("POST", "/api/v1/schedules", {
    ...{ name: "every morning", workflow, cron: "30 6 * * 1-5", timezone: "Europe/Berlin" },
    ...{ overlap: "skip", catchUp: "latest", input: { day: "2026-11-27", regions: ["north"] } },
  });
  await call("POST", "/api/v1/webhooks", { name: "shop", workflow, generateSecret: true });
  const database = await call("POST", "/api/v1/external-db-configs", {
    ...{ name: "orders", dbType: "sqlite", databaseName: databaseFile },
  });
  await call("POST", "/api/v1/auth/api-keys", { name: "ci pipeline", role: "operator" });
  await call("POST", "/api/v1/llm-providers", {
    ...{ name: "openai", baseUrl: "https://api.openai.com/v1", apiKey: "sk-none", isDefault: true },
    models: [{ name: "gpt-4o-mini", inputPricePerMillion: 0.15, outputPricePerMillion: 0.6 }],
  });
  return { databaseId: String(database["id"]) };
}

async function addComponents(call: DemoCall): Promise<void> {
  const enrich = (version: string, code: string, inputSchema: object) => ({
    ...{ version, inputSchema, outputSchema: ENRICHED, secrets: ["SHOP_API_TOKEN"] },
    config: { type: "python_script", code, requirements: ["pydantic>=2"], timeoutSeconds: 120 },
  });
  const { rate: _rate, ...older } = ORDERS.properties;
  const first = enrich(
    "1.0.0",
    ENRICH.replace(", rate=1.0", "").replaceAll(" * rate", "").replace(" at {rate}", ""),
    {
      ...ORDERS,
      properties: older,
    },
  );
  const made = await call("POST", "/api/v1/mcp-definitions", {
    ...{ name: "enrich-orders", mcpType: "python_script", tags: ["orders", "finance"] },
    ...{ description: "Adds exchange rates and worth to orders", version: first },
  });
  await call("POST", `/api/v1/mcp-definitions/${String(made["id"])}/versions`, {
    ...enrich("1.1.0", ENRICH, ORDERS),
    description: "Takes an exchange rate",
  });
  await call("POST", "/api/v1/mcp-definitions", {
    ...{ name: "summarise", mcpType: "llm_prompt", tags: ["text"], description: "One sentence about a text" },
    version: {
      version: "1.0.0",
      config: {
        type: "llm_prompt",
        model: "gpt-4o-mini",
        systemPrompt: "You are terse.",
        userPromptTemplate: "Summarise in one sentence for {{ reader }}:\n\n{{ text }}",
      },
      inputSchema: {
        type: "object",
        properties: {
          text: { type: "string", default: "Sales rose by 4 % in the north." },
          reader: { type: "string", default: "a manager" },
        },
        required: ["text"],
      },
    },
  });
  await call("POST", "/api/v1/mcp-definitions", {
    ...{ name: "forecast", mcpType: "jupyter_notebook", tags: ["orders"], description: "Fits next week" },
    version: {
      version: "0.3.0",
      config: {
        type: "jupyter_notebook",
        cells: [
          { cellType: "markdown", source: "# Forecast\nNext week from the last eight." },
          { cellType: "code", source: "weeks = 8", tags: ["parameters"] },
          { cellType: "code", source: "outputs = {'weeks': weeks}\noutputs" },
        ],
      },
    },
  });
}

const SHOP = `
import sqlite3, sys
shop = sqlite3.connect(sys.argv[1])
shop.executescript("""
  CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT NOT NULL, region TEXT);
  CREATE TABLE orders (id INTEGER PRIMARY KEY, customer_id INTEGER REFERENCES customers(id), amount REAL, note TEXT);
  INSERT INTO customers VALUES (1, 'Mill & Sons', 'north'), (2, 'Weir Ltd', 'south'), (3, 'Sluice AG', NULL);
  INSERT INTO orders VALUES (1, 1, 120.5, 'first'), (2, 1, 80, NULL), (3, 2, 12.25, 'urgent');
""")
`;

/** Makes a file of SQLite with a few customers and orders. */
export function makeShop(path: string): void {
  const made = spawnSync("python3", ["-c", SHOP, path]);
  if (made.status !== 0) throw new Error(String(made.stderr));
}
