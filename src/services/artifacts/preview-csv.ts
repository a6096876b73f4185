/** The head of a table. */
export interface CsvPreview {
  readonly delimiter: string;
  readonly columns: string[];
  readonly rows: string[][];
  /** There is more than is shown. */
  readonly isCut: boolean;
}

const DELIMITERS = [",", ";", "\t", "|"] as const;
const MOST_ROWS = 100;
const MOST_COLUMNS = 200;
const MOST_CELL_CHARS = 1_000;

/**
 * Reads the head of a table of separated values (RFC 4180): the first record names the columns, fields may be quoted
 * and hold delimiters, quotes and line breaks.
 * @param isCut the text is the beginning of a longer one: its last record may be half, and is left out.
 */
export function previewCsv(text: string, isCut: boolean, delimiter = findDelimiter(text)): CsvPreview {
  const records = readRecords(text, delimiter, MOST_ROWS + 2);
  if (isCut && records.length > 1 && records.length < MOST_ROWS + 2) records.pop();
  const [columns = [], ...rows] = records;
  return {
    delimiter,
    columns: columns.slice(0, MOST_COLUMNS),
    rows: rows.slice(0, MOST_ROWS).map((row) => row.slice(0, MOST_COLUMNS)),
    isCut: isCut || rows.length > MOST_ROWS || records.some((record) => record.length > MOST_COLUMNS),
  };
}

/** The delimiter that stands most often in the first record, outside of quotes. */
function findDelimiter(text: string): string {
  const [first = ""] = text.split("\n", 1);
  const bare = first.replaceAll(/"[^"]*"/g, "");
  const counts = DELIMITERS.map((delimiter) => bare.split(delimiter).length);
  return DELIMITERS[counts.indexOf(Math.max(...counts))] ?? ",";
}

function readRecords(text: string, delimiter: string, most: number): string[][] {
  const records: string[][] = [];
  let record: string[] = [];
  let at = 0;
  while (at < text.length && records.length < most) {
    const field = readField(text, at, delimiter);
    record.push(field.value.slice(0, MOST_CELL_CHARS));
    at = field.end;
    if (text[at] === delimiter) {
      at += 1;
      if (at === text.length) record.push("");
      else continue;
    }
    if (text[at] === "\r" && text[at + 1] === "\n") at += 1;
    at += 1;
    // an empty line is no record
    if (record.length > 1 || record[0] !== "") records.push(record);
    record = [];
  }
  return records;
}

function readField(text: string, start: number, delimiter: string): { value: string; end: number } {
  let at = start;
  let value = "";
  if (text[at] === '"') {
    at += 1;
    for (;;) {
      const quote = text.indexOf('"', at);
      if (quote === -1) return { value: value + text.slice(at), end: text.length };
      value += text.slice(at, quote);
      at = quote + 1;
      if (text[at] !== '"') break;
      value += '"';
      at += 1;
    }
  }
  const from = at;
  while (at < text.length && text[at] !== delimiter && text[at] !== "\n" && text[at] !== "\r") at += 1;
  return { value: value + text.slice(from, at), end: at };
}
