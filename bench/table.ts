/** Rows under headings, in columns; the first two are text, the rest figures. */
export function table(headings: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const all = [headings, ...rows];
  const widths = headings.map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0)));
  return all.map((row) =>
    row
      .map((cell, column) =>
        column < 2 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0),
      )
      .join("  ")
      .trimEnd(),
  );
}

/** A figure with as many digits as it deserves. */
export function rounded(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toFixed(1);
}
