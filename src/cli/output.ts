/** Where commands write: results on stdout, everything else on stderr. */
export interface Output {
  readonly isJson: boolean;
  readonly isTerminal: boolean;
  readonly hasColour: boolean;
  /** A line for people; nothing with `--json`. */
  say(line: string): void;
  /** A line about trouble, on stderr. */
  warn(line: string): void;
  /** The command's result: `value` with `--json`, else `text`. */
  result(value: unknown, text: string): void;
}

/** Writes to the process's own streams. */
export function createOutput(options: { isJson: boolean; noColour: boolean }): Output {
  const isTerminal = process.stdout.isTTY === true;
  return {
    isJson: options.isJson,
    isTerminal,
    hasColour: isTerminal && !options.noColour && !options.isJson,
    say: (line) => {
      if (!options.isJson) process.stdout.write(`${line}\n`);
    },
    warn: (line) => {
      process.stderr.write(`${line}\n`);
    },
    result: (value, text) => {
      process.stdout.write(`${options.isJson ? JSON.stringify(value, undefined, 2) : text}\n`);
    },
  };
}

/** Aligns rows in columns, separated by two spaces. */
export function formatTable(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = header.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => (row[column] ?? "").length)),
  );
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("  ")
      .trimEnd();
  return [header, ...rows].map(line).join("\n");
}

/** A duration for people: `12 ms`, `3.4 s`, `2 min 5 s`. */
export function formatDuration(durationMs: number | null | undefined): string {
  if (durationMs === null || durationMs === undefined) return "–";
  if (durationMs < 1000) return `${Math.round(durationMs)} ms`;
  if (durationMs < 60_000) return `${(durationMs / 1000).toFixed(1)} s`;
  return `${Math.floor(durationMs / 60_000)} min ${Math.round((durationMs % 60_000) / 1000)} s`;
}

/** Text from a script made harmless for a terminal: no escape sequences, no control characters. */
export function toPlainText(text: string): string {
  return text
    .replace(/\u001b\[[0-?]*[ -/]*[@-~]/g, "")
    .replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, "");
}
