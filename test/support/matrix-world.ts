import { newId } from "../../src/core/ids.js";
import type { TestResponse } from "./http-client.js";
import type { MatrixRequest } from "./matrix-rows.js";
import { startWebhooksApi, type WebhooksApi } from "./webhooks-api.js";

/** The whole API, with one of each thing that rows of the matrices name. */
export interface MatrixWorld extends WebhooksApi {
  send(request: MatrixRequest): Promise<TestResponse>;
  /** Makes something; @throws unless it is answered as expected. */
  make(path: string, body: unknown, status?: number): Promise<Record<string, unknown>>;
  /** A Python component, and the id of its version 1.0.0. */
  readonly component: { readonly name: string; readonly id: string; readonly versionId: string };
  /** A workflow that hands its input on, and takes a date. */
  readonly workflow: { readonly name: string; readonly id: string };
  /** A run of it that waits: nobody works here. */
  readonly runId: string;
}

/** An id that names nothing. */
export const NOBODY = "0193d5a1-7b1c-7000-8000-0000000000ff";

/** Starts it without workers; call `close()` in `afterAll`. */
export async function startMatrixWorld(environment: Record<string, string> = {}): Promise<MatrixWorld> {
  const api = await startWebhooksApi({
    MAX_BODY_BYTES: String(10 * 1024 * 1024),
    LOG_LEVEL: "fatal",
    ...environment,
  });
  const make: MatrixWorld["make"] = async (path, body, status = 201) => {
    const answer = await api.request({ method: "POST", path: `/api/v1${path}`, body });
    if (answer.status !== status) throw new Error(`${path}: ${answer.text}`);
    return answer.body;
  };
  const word = newId().slice(-12);
  const config = { type: "python_script", code: "def main(date):\n    return {'date': date}\n" };
  const definition = await make("/mcp-definitions", {
    name: `component-${word}`,
    mcpType: "python_script",
    version: {
      version: "1.0.0",
      config,
      inputSchema: { type: "object", properties: { date: { type: "string" } }, additionalProperties: false },
    },
  });
  const workflow = await make("/workflow-definitions", {
    name: `workflow-${word}`,
    definition: {
      inputs: {
        type: "object",
        properties: { date: { type: "string", format: "date" }, count: { type: "integer" } },
        required: ["date"],
        additionalProperties: false,
      },
      steps: [{ id: "keep", uses: "builtin:noop", inputs: { date: { input: "/date" } } }],
    },
  });
  const started = await make(
    "/workflow-runs",
    { workflow: workflow["name"], input: { date: "2026-01-01" } },
    202,
  );
  const versions = await api.request({ path: `/api/v1/mcp-definitions/${definition["id"]}/versions` });
  const [version] = versions.body["items"] as unknown as { id: string }[];
  return {
    ...api,
    send: api.request,
    make,
    component: {
      name: String(definition["name"]),
      id: String(definition["id"]),
      versionId: version?.id ?? "",
    },
    workflow: { name: String(workflow["name"]), id: String(workflow["id"]) },
    runId: String(started["id"]),
  };
}
