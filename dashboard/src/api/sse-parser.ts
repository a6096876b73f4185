/** One event of a stream of server-sent events. */
export interface SseFrame {
  readonly id: string | undefined;
  readonly event: string;
  readonly data: string;
}

/**
 * Cuts a stream of server-sent events into frames, however its bytes are chunked. Comments count as life and make no
 * frame.
 */
export function createSseParser(onFrame: (frame: SseFrame) => void): (chunk: string) => void {
  let rest = "";
  let id: string | undefined;
  let event = "";
  let data: string[] = [];

  function take(line: string): void {
    if (line === "") {
      if (data.length > 0 || event !== "") onFrame({ id, event: event || "message", data: data.join("\n") });
      event = "";
      data = [];
      return;
    }
    const colon = line.indexOf(":");
    if (colon === 0) return;
    const field = colon === -1 ? line : line.slice(0, colon);
    const value = colon === -1 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "id") id = value;
    else if (field === "event") event = value;
    else if (field === "data") data.push(value);
  }

  return (chunk) => {
    const lines = (rest + chunk).split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop() ?? "";
    for (const line of lines) take(line);
  };
}
