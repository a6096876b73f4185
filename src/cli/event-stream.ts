import type { StreamFrame } from "./api-client.js";

/** Parses `text/event-stream` bytes into frames as the HTML standard says; comments are dropped. */
export async function* parseEventStream(body: AsyncIterable<Uint8Array>): AsyncGenerator<StreamFrame> {
  const decoder = new TextDecoder();
  let buffer = "";
  let frame = emptyFrame();
  for await (const chunk of body) {
    buffer += decoder.decode(chunk, { stream: true });
    // a CR at the end may be the first half of CRLF
    const usable = buffer.endsWith("\r") ? buffer.length - 1 : buffer.length;
    const lines = buffer.slice(0, usable).split(/\r\n|\n|\r/);
    buffer = (lines.pop() ?? "") + buffer.slice(usable);
    for (const line of lines) {
      if (line !== "") {
        takeField(frame, line);
        continue;
      }
      if (frame.data.length > 0) {
        yield { id: frame.id, event: frame.event || "message", data: frame.data.join("\n") };
      }
      frame = emptyFrame();
    }
  }
}

interface OpenFrame {
  id: string | undefined;
  event: string;
  data: string[];
}

function emptyFrame(): OpenFrame {
  return { id: undefined, event: "", data: [] };
}

function takeField(frame: OpenFrame, line: string): void {
  const colon = line.indexOf(":");
  if (colon === 0) return;
  const name = colon === -1 ? line : line.slice(0, colon);
  const value = colon === -1 ? "" : line.slice(colon + 1).replace(/^ /, "");
  if (name === "data") frame.data.push(value);
  else if (name === "event") frame.event = value;
  else if (name === "id" && !value.includes("\0")) frame.id = value;
}
