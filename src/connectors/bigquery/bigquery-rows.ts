import { setTimeout as sleep } from "node:timers/promises";
import { BigQuery, type Job, type QueryRowsResponse } from "@google-cloud/bigquery";
import type { JsonValue } from "../../core/json.js";
import { RowCollector, toDecimal, toJsonCell, toUniqueNames } from "../result-rows.js";
import type { QueryResult } from "../types.js";

interface Field {
  readonly name: string;
  readonly type: string;
  readonly mode?: string;
}

const PAGE_ROWS = 1_000;
/** The service holds each question for some seconds by itself; this is for those that do not. */
const POLL_MS = 250;

/** Positional parameters with the types that JSON can tell; BigQuery cannot guess that of null. */
export function toParameters(params: readonly JsonValue[]) {
  if (params.length === 0) return {};
  const types = params.map((value) =>
    value === null ? "STRING" : BigQuery.getTypeDescriptorFromValue_(toParam(value)).type,
  );
  return { params: params.map(toParam), types: types as string[] };
}

function toParam(value: JsonValue): JsonValue {
  return typeof value === "object" && value !== null ? JSON.stringify(value) : value;
}

/** Reads the first rows of a job, page by page, once it is done; the signal ends the wait. */
export async function readJobRows(job: Job, maxRows: number, signal: AbortSignal): Promise<QueryResult> {
  let fields: readonly Field[] = [];
  let collector: RowCollector | undefined;
  let changed = 0;
  let wanted: object | null = {
    maxResults: Math.min(PAGE_ROWS, maxRows + 1),
    autoPaginate: false,
    wrapIntegers: false,
    parseJSON: true,
  };
  while (wanted && !collector?.isTruncated) {
    const [rows, next, response]: QueryRowsResponse = await job.getQueryResults(wanted);
    wanted = next ?? null;
    if (response?.jobComplete === false) {
      await sleep(POLL_MS, undefined, { signal });
      continue;
    }
    if (!collector) {
      fields = (response?.schema?.fields ?? []) as readonly Field[];
      collector = new RowCollector(toUniqueNames(fields.map(({ name }) => name)), maxRows);
      changed = Number(response?.numDmlAffectedRows ?? 0);
    }
    for (const row of rows as Record<string, unknown>[]) {
      if (!collector.add(fields.map(({ name }) => toCell(row[name])))) break;
    }
  }
  const names = toUniqueNames(fields.map(({ name }) => name));
  return {
    columns: fields.map(({ type, mode }, at) => ({
      name: names[at] ?? "",
      type: mode === "REPEATED" ? `ARRAY<${type}>` : type,
    })),
    rows: collector?.rows ?? [],
    rowCount: fields.length === 0 ? changed : (collector?.rows.length ?? 0),
    truncated: collector?.isTruncated ?? false,
  };
}

/** The library wraps times as `{ value }` and decimals as objects of their own. */
function toCell(value: unknown): JsonValue {
  if (Array.isArray(value)) return value.map(toCell);
  if (typeof value !== "object" || value === null || value instanceof Uint8Array) return toJsonCell(value);
  const isDecimal = "toFixed" in value && "toString" in value;
  if (isDecimal) return toDecimal((value as { toFixed(): string }).toFixed());
  const names = Object.keys(value);
  if (names.length === 1 && names[0] === "value") return toJsonCell((value as { value: unknown }).value);
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, toCell(member)]));
}
