/** A stretch of text in one style. */
export interface AnsiSpan {
  readonly text: string;
  /** 0–15: a terminal's palette. */
  readonly color?: number;
  readonly isBold?: boolean;
  readonly isDim?: boolean;
}

const ESCAPES = /\u001b(?:\[([0-9;?]*)([ -/]*[@-~])|\][^\u0007\u001b]*(?:\u0007|\u001b\\)?|[@-_])/g;

interface Style {
  color: number | undefined;
  isBold: boolean;
  isDim: boolean;
}

/**
 * Cuts a line of a terminal's output into spans: colours of the palette, bold and dim. Of 256 and true colours the
 * nearest of the palette is taken, so that themes hold; everything else that moves cursors or rings bells is dropped.
 */
export function parseAnsi(line: string): AnsiSpan[] {
  if (!line.includes("\u001b")) return [{ text: line }];
  const spans: AnsiSpan[] = [];
  const style: Style = { color: undefined, isBold: false, isDim: false };
  let at = 0;
  const add = (text: string) => {
    if (text === "") return;
    const { color, isBold, isDim } = style;
    spans.push({
      text,
      ...(color === undefined ? {} : { color }),
      ...(isBold ? { isBold } : {}),
      ...(isDim ? { isDim } : {}),
    });
  };
  for (const match of line.matchAll(ESCAPES)) {
    add(line.slice(at, match.index));
    at = match.index + match[0].length;
    if (match[2] === "m") restyle(style, match[1] ?? "");
  }
  add(line.slice(at));
  return spans;
}

/** A line without its escapes: for search and copies. */
export function stripAnsi(line: string): string {
  return line.includes("\u001b") ? line.replace(ESCAPES, "") : line;
}

function restyle(style: Style, parameters: string): void {
  const codes = parameters === "" ? [0] : parameters.split(";").map(Number);
  for (let index = 0; index < codes.length; index += 1) {
    const code = codes[index] ?? 0;
    if (code === 0) Object.assign(style, { color: undefined, isBold: false, isDim: false });
    else if (code === 1) style.isBold = true;
    else if (code === 2) style.isDim = true;
    else if (code === 22) Object.assign(style, { isBold: false, isDim: false });
    else if (code === 39) style.color = undefined;
    else if (code >= 30 && code <= 37) style.color = code - 30;
    else if (code >= 90 && code <= 97) style.color = code - 90 + 8;
    else if (code === 38 || code === 48) index += takeExtended(style, codes.slice(index));
  }
}

/** @returns how many further codes belong to it */
function takeExtended(style: Style, [kind, mode, ...values]: readonly number[]): number {
  const used = mode === 5 ? 2 : mode === 2 ? 4 : 0;
  if (kind === 38 && mode === 5) style.color = fromPalette(values[0] ?? 0);
  if (kind === 38 && mode === 2) style.color = nearest(values[0] ?? 0, values[1] ?? 0, values[2] ?? 0);
  return used;
}

function fromPalette(code: number): number | undefined {
  if (code < 16) return code;
  if (code >= 232) return code < 244 ? 8 : 7;
  const cube = code - 16;
  return nearest(Math.floor(cube / 36) * 51, (Math.floor(cube / 6) % 6) * 51, (cube % 6) * 51);
}

function nearest(red: number, green: number, blue: number): number {
  const half = Math.max(red, green, blue) / 2;
  const base = (red > half ? 1 : 0) + (green > half ? 2 : 0) + (blue > half ? 4 : 0);
  return Math.max(red, green, blue) > 200 ? base + 8 : base;
}
