import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";

/** What the server answers to a statement. */
export interface BigqueryAnswer {
  readonly statementType: string;
  readonly fields?: readonly { name: string; type: string; mode?: string }[];
  /** Cells as the API sends them: text, or null. */
  readonly rows?: readonly (readonly (string | null)[])[];
  readonly changed?: number;
  readonly bytes?: number;
  /** Polls that find the job still running. */
  readonly polls?: number;
  readonly error?: { readonly code: number; readonly message: string };
}

/** What is read of a request's body. */
export type BigqueryBody =
  | {
      readonly jobReference?: { readonly jobId?: string };
      readonly configuration: { readonly dryRun?: boolean; readonly query: { readonly query: string } };
    }
  | undefined;

/** A server that speaks BigQuery's REST API v2, as far as queries and scans need it. */
export interface BigqueryServer {
  readonly endpoint: string;
  /** Every request: method, path and body. */
  readonly requests: { readonly method: string; readonly path: string; readonly body: BigqueryBody }[];
  stop(): Promise<void>;
}

const PAGE = 2;

/** Starts one. `answers` by the text of the statement; tables by `dataset.table`. */
export async function startBigqueryServer(
  answers: Readonly<Record<string, BigqueryAnswer>>,
  tables: Readonly<Record<string, object>> = {},
): Promise<BigqueryServer> {
  const requests: BigqueryServer["requests"] = [];
  const jobs = new Map<string, { answer: BigqueryAnswer; polls: number }>();
  const server = createServer((request, response) => {
    void readJson(request).then((body) => {
      const url = new URL(request.url ?? "/", "http://bigquery");
      const path = url.pathname.replace(/^\/bigquery\/v2\/projects\/[^/]+/, "");
      requests.push({ method: request.method ?? "", path, body });
      answer(path, url.searchParams, body, response);
    });
  });

  function answer(path: string, query: URLSearchParams, body: BigqueryBody, response: ServerResponse): void {
    if (path === "/jobs") return insertJob(body, response);
    const cancel = /^\/jobs\/([^/]+)\/cancel$/.exec(path);
    if (cancel) return send(response, 200, { job: {} });
    const results = /^\/queries\/([^/]+)$/.exec(path);
    if (results) return sendRows(results[1] ?? "", query, response);
    if (path === "/datasets") return send(response, 200, { datasets: listDatasets() });
    const list = /^\/datasets\/([^/]+)\/tables$/.exec(path);
    if (list) return send(response, 200, { tables: listTables(list[1] ?? "") });
    const table = /^\/datasets\/([^/]+)\/tables\/([^/]+)$/.exec(path);
    const found = table && tables[`${table[1]}.${table[2]}`];
    if (found) return send(response, 200, found);
    return fail(response, 404, "Not found");
  }

  function insertJob(body: BigqueryBody, response: ServerResponse): void {
    const { query: { query = "" } = {}, dryRun } = body?.configuration ?? {};
    const known = answers[query];
    if (!known || known.error) {
      return fail(response, known?.error?.code ?? 400, known?.error?.message ?? `Syntax error: ${query}`);
    }
    const id = body?.jobReference?.jobId ?? `job-${jobs.size + 1}`;
    if (!dryRun) jobs.set(id, { answer: known, polls: known.polls ?? 0 });
    const statistics = {
      query: { statementType: known.statementType, totalBytesProcessed: String(known.bytes ?? 0) },
    };
    const jobReference = { projectId: "shop-project", jobId: id, location: "EU" };
    send(response, 200, {
      kind: "bigquery#job",
      ...(dryRun ? {} : { id, jobReference }),
      jobReference,
      configuration: body?.configuration,
      statistics,
      status: { state: dryRun ? "DONE" : "RUNNING" },
    });
  }

  function sendRows(id: string, query: URLSearchParams, response: ServerResponse): void {
    const job = jobs.get(id);
    if (!job) return fail(response, 404, "Not found: Job");
    const jobReference = { projectId: "shop-project", jobId: id, location: "EU" };
    if (job.polls > 0) {
      job.polls -= 1;
      return send(response, 200, { jobComplete: false, jobReference });
    }
    const { fields = [], rows = [], changed } = job.answer;
    const from = Number(query.get("pageToken") ?? 0);
    const size = Math.min(PAGE, Number(query.get("maxResults") ?? PAGE));
    const page = rows.slice(from, from + size);
    send(response, 200, {
      jobComplete: true,
      jobReference,
      totalRows: String(rows.length),
      ...(fields.length > 0 ? { schema: { fields } } : {}),
      ...(changed === undefined ? {} : { numDmlAffectedRows: String(changed) }),
      rows: page.map((row) => ({ f: row.map((v) => ({ v })) })),
      ...(from + size < rows.length ? { pageToken: String(from + size) } : {}),
    });
  }

  function listDatasets(): object[] {
    const names = new Set(Object.keys(tables).map((name) => name.split(".")[0]));
    return [...names].map((datasetId) => ({ datasetReference: { projectId: "shop-project", datasetId } }));
  }

  function listTables(dataset: string): object[] {
    return Object.keys(tables)
      .filter((name) => name.startsWith(`${dataset}.`))
      .map((name) => ({
        tableReference: { projectId: "shop-project", datasetId: dataset, tableId: name.split(".")[1] },
      }));
  }

  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    endpoint: `http://127.0.0.1:${port}`,
    requests,
    async stop() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

async function readJson(request: IncomingMessage): Promise<BigqueryBody> {
  let text = "";
  for await (const chunk of request) text += String(chunk);
  return text === "" ? undefined : JSON.parse(text);
}

function send(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify(body));
}

function fail(response: ServerResponse, code: number, message: string): void {
  send(response, code, {
    error: { code, message, errors: [{ message, reason: "invalid", domain: "global" }] },
  });
}
