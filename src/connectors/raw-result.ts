import type { JsonValue } from "../core/json.js";
import { RowCollector, toUniqueNames } from "./result-rows.js";
import type { QueryResult } from "./types.js";

/** What programs answer to a query, before names are made unique. */
export interface RawResult {
  readonly columns: readonly { readonly name: string; readonly type: string }[];
  readonly rows: readonly (readonly JsonValue[])[];
  readonly rowCount: number;
  readonly truncated: boolean;
}

/** Rows of arrays as rows of named members. */
export function toQueryResult(
  { columns, rows, rowCount, truncated }: RawResult,
  maxRows: number,
): QueryResult {
  const names = toUniqueNames(columns.map(({ name }) => name));
  const collector = new RowCollector(names, maxRows);
  for (const row of rows) if (!collector.add(row)) break;
  return {
    columns: columns.map(({ type }, at) => ({ name: names[at] ?? "", type })),
    rows: collector.rows,
    rowCount: columns.length === 0 ? rowCount : collector.rows.length,
    truncated: truncated || collector.isTruncated,
  };
}
