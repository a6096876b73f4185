import { withoutControls } from "./without-controls.js";

const OPENING = /^\s*(?:```(?:json)?\s*)?\{\s*"summary"\s*:\s*"/;
/** So much may stand before the summary begins. */
const MOST_OPENING = 200;
const MOST_PROSE = 4_000;
const ESCAPES: Readonly<Record<string, string>> = {
  n: "\n",
  t: "\t",
  r: "",
  b: "",
  f: "",
  '"': '"',
  "\\": "\\",
  "/": "/",
};

/**
 * Finds the prose in a JSON answer while it comes: the text of its first member, `summary`. Nothing else of an answer is
 * passed on before it was read as a whole and judged.
 */
export function createProseReader(onText: (text: string) => void): (piece: string) => void {
  let state: "opening" | "prose" | "done" = "opening";
  let held = "";
  let sent = 0;

  function readProse(): void {
    let text = "";
    let at = 0;
    for (; at < held.length; at += 1) {
      const letter = held[at] ?? "";
      if (letter === '"') {
        state = "done";
        break;
      }
      if (letter !== "\\") {
        text += letter;
        continue;
      }
      const escape = held[at + 1];
      const length = escape === "u" ? 6 : 2;
      // the rest of it is still to come
      if (escape === undefined || at + length > held.length) break;
      text += escape === "u" ? readUnicode(held.slice(at + 2, at + 6)) : (ESCAPES[escape] ?? "");
      at += length - 1;
    }
    held = held.slice(at);
    const room = MOST_PROSE - sent;
    const shown = withoutControls(text).slice(0, room);
    sent += shown.length;
    if (shown !== "") onText(shown);
    if (sent >= MOST_PROSE) state = "done";
  }

  return (piece) => {
    if (state === "done") return;
    held += piece;
    if (state === "opening") {
      const opening = OPENING.exec(held);
      if (!opening) {
        if (held.length > MOST_OPENING) state = "done";
        return;
      }
      held = held.slice(opening[0].length);
      state = "prose";
    }
    readProse();
  };
}

function readUnicode(hex: string): string {
  return /^[0-9a-fA-F]{4}$/.test(hex) ? String.fromCharCode(Number.parseInt(hex, 16)) : "";
}
