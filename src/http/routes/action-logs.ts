import type { ServerResponse } from "node:http";
import { once } from "node:events";
import {
  actionLogPageSchema,
  actionLogQuerySchema,
  chainVerdictSchema,
  verifyQuerySchema,
} from "../../contracts/api/action-logs.js";
import type { AuditLog } from "../../services/audit/audit-log.js";
import { CSV_HEADER, presentActionLog, toCsvLine } from "../../services/audit/present-action-log.js";
import { defineRoute, type RouteDefinition, type RouteResponse } from "../route.js";

const TAG = "Audit log";
const PATH = "/api/v1/action-logs";

/** `/api/v1/action-logs`: who did what, when, to what; for admins. */
export function actionLogRoutes(deps: { readonly audit: AuditLog }): RouteDefinition[] {
  const { audit } = deps;
  return [
    defineRoute({
      method: "get",
      path: PATH,
      permission: "audit:read",
      summary: "List the audit log, or export it as CSV or NDJSON",
      tag: TAG,
      query: actionLogQuerySchema,
      answers: { 200: { description: "One page, or the whole export", schema: actionLogPageSchema } },
      async handler({ query, signal }) {
        const { limit, cursor, format, ...filter } = query;
        if (format !== "json") return exportLogs(audit.iterate(filter, signal), format, signal);
        const page = await audit.list(filter, { limit, cursor });
        return { status: 200, body: { ...page, items: page.items.map(presentActionLog) } };
      },
    }),
    defineRoute({
      method: "get",
      path: `${PATH}/verify`,
      permission: "audit:read",
      summary:
        "Recompute the chain of hashes; names the first entry that does not fit. An anchor kept elsewhere shows removal at the end",
      tag: TAG,
      answers: { 200: { description: "Whether the chain holds", schema: chainVerdictSchema } },
      query: verifyQuerySchema,
      async handler({ query: { seq, hash }, signal }) {
        const anchor = seq === undefined || hash === undefined ? undefined : { seq, hash };
        return { status: 200, body: await audit.verify(signal, anchor) };
      },
    }),
  ];
}

type Rows = ReturnType<AuditLog["iterate"]>;

function exportLogs(rows: Rows, format: "csv" | "ndjson", signal: AbortSignal): RouteResponse {
  const type = format === "csv" ? "text/csv; charset=utf-8" : "application/x-ndjson; charset=utf-8";
  const headers = {
    "Content-Type": type,
    "Content-Disposition": `attachment; filename="action-logs.${format}"`,
  };
  const toLine = (row: Parameters<typeof presentActionLog>[0]) =>
    format === "csv" ? toCsvLine(presentActionLog(row)) : `${JSON.stringify(presentActionLog(row))}\n`;
  return {
    status: 200,
    headers,
    async stream(_request, response) {
      if (format === "csv") response.write(CSV_HEADER);
      for await (const row of rows) await writeFully(response, toLine(row), signal);
      response.end();
    },
  };
}

/** Waits when the client is slower than the database. */
async function writeFully(response: ServerResponse, text: string, signal: AbortSignal): Promise<void> {
  if (!response.write(text)) await once(response, "drain", { signal });
}
