import { isUtf8 } from "node:buffer";

/** Text from the first bytes of a file. */
export interface DecodedHead {
  readonly text: string;
  readonly encoding: "utf-8" | "utf-16le" | "utf-16be" | "windows-1252";
}

const LONGEST_CHARACTER = 4;

/**
 * The text of a file's first bytes: by its byte order mark, else UTF-8 if it is that (a character may be cut at the
 * end), else Windows-1252. Undefined for what is no text. NUL becomes U+FFFD.
 */
export function decodeHead(bytes: Buffer, isCut: boolean): DecodedHead | undefined {
  const mark = bytes.subarray(0, 3);
  if (mark[0] === 0xff && mark[1] === 0xfe) return decode(bytes.subarray(2), "utf-16le");
  if (mark[0] === 0xfe && mark[1] === 0xff) return decode(bytes.subarray(2), "utf-16be");
  if (mark.equals(Buffer.from([0xef, 0xbb, 0xbf]))) return decode(bytes.subarray(3), "utf-8");
  if (bytes.includes(0)) return undefined;
  const most = isCut ? LONGEST_CHARACTER : 1;
  for (let cut = 0; cut < most; cut += 1) {
    const part = bytes.subarray(0, bytes.length - cut);
    if (isUtf8(part)) return decode(part, "utf-8");
  }
  return decode(bytes, "windows-1252");
}

function decode(bytes: Buffer, encoding: DecodedHead["encoding"]): DecodedHead {
  const text = new TextDecoder(encoding, { ignoreBOM: true }).decode(bytes).replaceAll("\0", "\uFFFD");
  return { text, encoding };
}
