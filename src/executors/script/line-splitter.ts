/** Cuts a stream of bytes into lines of text. */
export interface LineSplitter {
  push(chunk: Buffer): void;
  /** Hands out what came after the last line break. */
  flush(): void;
}

/** Whether the line goes on in the next piece: it was too long to be handed out whole. */
export interface LineCut {
  readonly continues: boolean;
}

/** Longer lines are cut: a log line is a database row. */
const MAX_LINE_BYTES = 64 * 1024;

const LINE_FEED = 10;
const CARRIAGE_RETURN = 13;

/**
 * Lines end at LF or CRLF. Bytes that are no UTF-8, and NULs (which PostgreSQL cannot store), become U+FFFD.
 * A line over `maxLineBytes` is handed out in pieces that never cut a character.
 */
export function createLineSplitter(
  onLine: (line: string, cut: LineCut) => void,
  maxLineBytes: number = MAX_LINE_BYTES,
): LineSplitter {
  let pending: Buffer[] = [];
  let pendingBytes = 0;

  function add(piece: Buffer): void {
    pending.push(piece);
    pendingBytes += piece.length;
    while (pendingBytes > maxLineBytes) {
      const all = take();
      const end = findCharacterStart(all, maxLineBytes);
      onLine(decodeText(all.subarray(0, end)), { continues: true });
      pending = [all.subarray(end)];
      pendingBytes = all.length - end;
    }
  }

  function take(): Buffer {
    const [only] = pending;
    const all = pending.length === 1 && only ? only : Buffer.concat(pending);
    pending = [];
    pendingBytes = 0;
    return all;
  }

  function endLine(): void {
    const line = take();
    onLine(decodeText(line.at(-1) === CARRIAGE_RETURN ? line.subarray(0, -1) : line), { continues: false });
  }

  return {
    push(chunk) {
      let start = 0;
      for (let at = chunk.indexOf(LINE_FEED); at !== -1; at = chunk.indexOf(LINE_FEED, start)) {
        add(chunk.subarray(start, at));
        endLine();
        start = at + 1;
      }
      if (start < chunk.length) add(chunk.subarray(start));
    },
    flush() {
      if (pendingBytes > 0) endLine();
    },
  };
}

/** Bytes as text that any JSON reader and PostgreSQL can hold. */
export function decodeText(bytes: Buffer): string {
  return bytes.toString("utf8").replaceAll("\0", "\uFFFD");
}

/** Text from a program as text that PostgreSQL can hold: no NUL, no half of a surrogate pair. */
export function cleanText(text: string): string {
  return Buffer.from(text, "utf8").toString("utf8").replaceAll("\0", "\uFFFD");
}

/** The last place at or before `at` where a character of UTF-8 starts. */
function findCharacterStart(bytes: Buffer, at: number): number {
  for (let start = at; start > Math.max(0, at - 4); start -= 1) {
    if (((bytes[start] ?? 0) & 0xc0) !== 0x80) return start;
  }
  return at;
}
