import type { ReactNode } from "react";
import type { ApiList } from "../api/use-list.js";
import { DataTable, type DataTableProps } from "./data-table.js";
import { ErrorPanel, Skeleton } from "./states.js";

/** A table of what the API lists. */
export interface ListTableProps<Row> extends Omit<DataTableProps<Row>, "rows" | "more"> {
  readonly list: ApiList<Row>;
  /** What stands there when there is nothing. */
  readonly empty: ReactNode;
}

/** A list in whichever state it is: on its way, out of reach, empty, or there. */
export function ListTable<Row>({ list, empty, ...table }: ListTableProps<Row>) {
  const { items, error, retry, more } = list;
  if (error && !items) return <ErrorPanel error={error} onRetry={retry} />;
  if (!items) return <Skeleton lines={6} />;
  return items.length === 0 ? empty : <DataTable {...table} rows={items} more={more} />;
}
