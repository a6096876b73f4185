/** Sends one request to the API as somebody who may do everything; rejects on any answer but success. */
export type DemoCall = (method: string, path: string, body?: unknown) => Promise<Record<string, unknown>>;

const READ_ORDERS = `
import time

def main(day, regions):
    print(f"\\033[36mreading\\033[0m orders of {day} from {len(regions)} regions")
    rows = []
    for region in regions:
        for hour in range(24):
            rows.append({"region": region, "hour": hour, "orders": (hour * 7 + len(region) * 13) % 40 + 5})
        print(f"  {region:<12} \\033[32m24 rows\\033[0m")
    print("\\033[33mwarning\\033[0m: 2 rows without a currency, taken as EUR")
    return {"day": day, "rows": rows, "count": len(rows)}
`;
const SUM_UP = `
import json

def main(rows, by):
    totals = {}
    for row in rows:
        totals[row[by]] = totals.get(row[by], 0) + row["orders"]
    print(json.dumps(totals))
    return {"by": by, "totals": totals, "sum": sum(totals.values())}
`;
const LOAD = `
def connect(host):
    raise ConnectionError(f"could not translate host name '{host}' to address")

def main(rows):
    print(f"writing {len(rows)} rows to the warehouse")
    print("\\033[31mERROR\\033[0m the warehouse does not answer")
    return {"written": connect("warehouse.internal")}
`;
const REPORT = `
import os

def main(title, totals):
    lines = [f"# {title}", ""] + [f"- {name}: {count}" for name, count in totals.items()]
    os.makedirs("artifacts", exist_ok=True)
    with open("artifacts/report.md", "w") as file:
        file.write("\\n".join(lines))
    with open("artifacts/totals.csv", "w") as file:
        file.write("name,count\\n" + "\\n".join(f"{name},{count}" for name, count in totals.items()))
    return {"markdown": "\\n".join(lines)}
`;

const script = (code: string, inputs: string[]) => ({
  version: "1.0.0",
  config: { type: "python_script", code: code.trimStart() },
  inputSchema: {
    type: "object",
    properties: Object.fromEntries(inputs.map((name) => [name, {}])),
    required: inputs,
  },
});

const COMPONENTS: readonly (readonly [string, string, ReturnType<typeof script>])[] = [
  ["read-orders", "Reads a day's orders by region and hour", script(READ_ORDERS, ["day", "regions"])],
  ["sum-up", "Sums orders by any column", script(SUM_UP, ["rows", "by"])],
  ["load-warehouse", "Writes rows to the warehouse", script(LOAD, ["rows"])],
  ["write-report", "Writes a report and a table", script(REPORT, ["title", "totals"])],
];

const DAY_INPUT = {
  type: "object",
  properties: {
    day: { type: "string", format: "date", description: "The day to read", default: "2026-11-27" },
    regions: { type: "array", items: { type: "string" }, default: ["north", "south", "islands"] },
  },
  required: ["day", "regions"],
};
const READ = {
  id: "read",
  uses: "mcp:read-orders@1.0.0",
  inputs: { day: { input: "/day" }, regions: { input: "/regions" } },
};
const sum = (id: string, by: string) => ({
  id,
  uses: "mcp:sum-up@1.0.0",
  inputs: { rows: { step: "read", output: "/rows" }, by: { value: by } },
});

const WORKFLOWS: readonly (readonly [string, string, object])[] = [
  [
    "daily-revenue",
    "Reads a day's orders, sums them from two sides and writes the report",
    {
      inputs: DAY_INPUT,
      steps: [
        READ,
        sum("by-region", "region"),
        sum("by-hour", "hour"),
        {
          id: "report",
          uses: "mcp:write-report@1.0.0",
          inputs: { title: { value: "Orders by region" }, totals: { step: "by-region", output: "/totals" } },
        },
        { id: "announce", uses: "builtin:noop", dependsOn: ["report", "by-hour"] },
      ],
    },
  ],
  [
    "warehouse-sync",
    "Writes a day's orders to the warehouse",
    {
      inputs: DAY_INPUT,
      steps: [
        READ,
        { id: "check", uses: "builtin:noop", inputs: { rows: { step: "read", output: "/count" } } },
        {
          id: "load",
          uses: "mcp:load-warehouse@1.0.0",
          inputs: { rows: { step: "read", output: "/rows" } },
          dependsOn: ["check"],
          retry: { maxAttempts: 3, backoff: "fixed", delaySeconds: 1, jitter: false },
        },
        { id: "refresh-views", uses: "builtin:noop", dependsOn: ["load"] },
        { id: "notify", uses: "builtin:noop", dependsOn: ["refresh-views"] },
      ],
    },
  ],
  [
    "quarterly-report",
    "Asks a person before it publishes",
    {
      steps: [
        { id: "collect", uses: "builtin:noop" },
        {
          id: "release",
          uses: "builtin:approval",
          dependsOn: ["collect"],
          inputs: {
            message: { value: "The numbers for Q3 are complete. Publish them to the board?" },
            form: {
              value: {
                type: "object",
                properties: {
                  audience: {
                    type: "string",
                    title: "Audience",
                    enum: ["board", "company", "public"],
                    default: "board",
                  },
                  note: {
                    type: "string",
                    title: "Note",
                    format: "textarea",
                    description: "Goes on top of the report.",
                  },
                  embargoed: { type: "boolean", title: "Hold back until Monday" },
                },
                required: ["audience"],
              },
            },
          },
        },
        { id: "publish", uses: "builtin:noop", dependsOn: ["release"] },
      ],
    },
  ],
  [
    "price-refresh",
    "One step for each of many items",
    {
      steps: [
        {
          id: "items",
          uses: "builtin:noop",
          inputs: { list: { value: Array.from({ length: 12 }, (_, item) => `sku-${1000 + item}`) } },
        },
        {
          id: "price",
          uses: "builtin:noop",
          forEach: { step: "items", output: "/list" },
          maxParallel: 4,
          inputs: { sku: { expression: "item" } },
        },
        { id: "settle", uses: "builtin:wait", dependsOn: ["price"], inputs: { seconds: { value: 1 } } },
      ],
    },
  ],
];

/** Waits until a run has ended. @throws Error when it has not after two minutes */
export async function waitForEnd(call: DemoCall, id: string): Promise<void> {
  for (let second = 0; second < 120; second += 1) {
    const { finishedAt } = await call("GET", `/api/v1/workflow-runs/${id}`);
    if (finishedAt !== null) return;
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
  throw new Error(`the run ${id} has not ended within two minutes`);
}

/** Ids of runs that stand for what a run can be like. */
export interface Demo {
  readonly succeeded: string;
  readonly failed: string;
  readonly waiting: string;
  readonly items: string;
}

/** Fills an installation with components, workflows and runs of every kind, and waits for those that end. */
export async function fillWithDemo(call: DemoCall): Promise<Demo> {
  for (const [name, description, version] of COMPONENTS)
    await call("POST", "/api/v1/mcp-definitions", {
      ...{ name, description, mcpType: "python_script", tags: ["orders"], version },
    });
  for (const [name, description, definition] of WORKFLOWS)
    await call("POST", "/api/v1/workflow-definitions", { name, description, definition });
  const start = async (workflow: string, more: object = {}) =>
    String((await call("POST", "/api/v1/workflow-runs", { workflow, ...more }))["id"]);
  const input = { day: "2026-11-27", regions: ["north", "south", "islands"] };
  const labels = { env: "production", team: "finance" };
  for (let item = 0; item < 6; item += 1) await start("price-refresh", { labels: { env: "staging" } });
  const failed = await start("warehouse-sync", { input, labels });
  for (const day of ["2026-11-24", "2026-11-25", "2026-11-26"])
    await start("daily-revenue", { input: { ...input, day }, labels });
  const waiting = await start("quarterly-report", { labels: { quarter: "2026-Q3" } });
  const canceled = await start("daily-revenue", { input, delaySeconds: 3600 });
  await call("POST", `/api/v1/workflow-runs/${canceled}/cancel`);
  const items = await start("price-refresh");
  const succeeded = await start("daily-revenue", { input, labels });
  await call("POST", `/api/v1/workflow-runs/${succeeded}/pin`);
  await start("daily-revenue", { input, delaySeconds: 1800, labels });
  for (const id of [failed, items, succeeded]) await waitForEnd(call, id);
  return { succeeded, failed, waiting, items };
}
