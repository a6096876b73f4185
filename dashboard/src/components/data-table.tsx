import { useWindowVirtualizer } from "@tanstack/react-virtual";
import { type ReactNode, useEffect, useLayoutEffect, useRef, useState } from "react";
import { Button } from "./button.js";
import styles from "./data-table.module.css";

/** One column. */
export interface Column<Row> {
  readonly id: string;
  readonly header: ReactNode;
  /** A track of a CSS grid: `120px`, `minmax(160px, 2fr)`. */
  readonly width: string;
  readonly align?: "end";
  /** The least important give way first where the page is narrow: 3, then 2. */
  readonly weight?: 1 | 2 | 3;
  render(row: Row): ReactNode;
}

/** What a table may be told. */
export interface DataTableProps<Row> {
  readonly label: string;
  readonly columns: readonly Column<Row>[];
  readonly rows: readonly Row[];
  rowKey(row: Row): string;
  /** Rows stand out that this says yes to. */
  isMarked?(row: Row): boolean;
  /** There are more rows than these: `load` gets the next page. */
  readonly more?: { readonly isLoading: boolean; load(): void } | undefined;
}

const ROW_HEIGHT = 40;

/**
 * A table that scrolls with the page and renders what is in sight, however many rows there are. It gets further pages
 * by itself when its end comes near; the button is for who cannot scroll.
 */
export function DataTable<Row>({ label, columns, rows, rowKey, isMarked, more }: DataTableProps<Row>) {
  const frame = useRef<HTMLDivElement>(null);
  const width = useWidth(frame);
  const [offset, setOffset] = useState(0);
  useLayoutEffect(() => {
    const top = frame.current?.getBoundingClientRect().top ?? 0;
    setOffset(top + window.scrollY);
  }, [width]);
  const virtualizer = useWindowVirtualizer({
    count: rows.length,
    estimateSize: () => ROW_HEIGHT,
    overscan: 12,
    scrollMargin: offset,
    getItemKey: (index) => {
      const row = rows[index];
      return row === undefined ? index : rowKey(row);
    },
  });
  const items = virtualizer.getVirtualItems();
  const lastShown = items.at(-1)?.index ?? 0;
  useEffect(() => {
    if (more && !more.isLoading && rows.length > 0 && lastShown >= rows.length - 10) more.load();
  }, [more, lastShown, rows.length]);
  const lightest = width < 640 ? 1 : width < 900 ? 2 : 3;
  const shown = columns.filter(({ weight = 1 }) => weight <= lightest);
  const template = { gridTemplateColumns: shown.map((column) => column.width).join(" ") };
  return (
    <div ref={frame} className={styles["frame"]}>
      <div
        role="table"
        aria-label={label}
        aria-rowcount={rows.length + 1}
        style={{ minWidth: leastWidth(shown.map((column) => column.width)) }}
      >
        <div role="row" className={`${styles["row"]} ${styles["head"]}`} style={template} aria-rowindex={1}>
          {shown.map((column) => (
            <div key={column.id} role="columnheader" className={cellClass(column.align)}>
              {column.header}
            </div>
          ))}
        </div>
        <div role="rowgroup" className={styles["rows"]} style={{ height: virtualizer.getTotalSize() }}>
          {items.map((item) => {
            const row = rows[item.index];
            if (row === undefined) return null;
            return (
              <div
                key={item.key}
                role="row"
                aria-rowindex={item.index + 2}
                className={`${styles["row"]} ${isMarked?.(row) ? styles["marked"] : ""}`}
                style={{ ...template, height: ROW_HEIGHT, top: item.start - offset }}
              >
                {shown.map((column) => (
                  <div key={column.id} role="cell" className={cellClass(column.align)}>
                    {column.render(row)}
                  </div>
                ))}
              </div>
            );
          })}
        </div>
      </div>
      {more && (
        <div className={styles["more"]}>
          <Button variant="quiet" size="s" isBusy={more.isLoading} onClick={more.load}>
            Load more
          </Button>
        </div>
      )}
    </div>
  );
}

const GAP = 16;

/** Pixels below which the columns would not fit: then the table scrolls sideways by itself. */
function leastWidth(tracks: readonly string[]): number {
  const columns = tracks.reduce((sum, track) => sum + Number(/(\d+)px/.exec(track)?.[1] ?? 0), 0);
  return columns + (tracks.length + 1) * GAP;
}

function cellClass(align: "end" | undefined): string {
  return `${styles["cell"]} ${align === "end" ? styles["end"] : ""}`;
}

function useWidth(element: React.RefObject<HTMLElement | null>): number {
  const [width, setWidth] = useState(1200);
  useLayoutEffect(() => {
    if (!element.current) return;
    const observer = new ResizeObserver(([entry]) => entry && setWidth(entry.contentRect.width));
    observer.observe(element.current);
    return () => observer.disconnect();
  }, [element]);
  return width;
}
