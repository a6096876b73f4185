import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { createSseParser, type SseFrame } from "./sse-parser.js";

function parse(chunks: readonly string[]): SseFrame[] {
  const frames: SseFrame[] = [];
  const take = createSseParser((frame) => frames.push(frame));
  for (const chunk of chunks) take(chunk);
  return frames;
}

const TEXT = `: hello\n\nid: 1\nevent: step.log\ndata: {"a":1}\n\nid: 2\ndata: one\ndata: two\n\n: alive\nevent: end\ndata: {}\n\n`;

describe("createSseParser", () => {
  it("reads id, event and data of several lines, and passes comments over", () => {
    expect(parse([TEXT])).toEqual([
      { id: "1", event: "step.log", data: '{"a":1}' },
      { id: "2", event: "message", data: "one\ntwo" },
      { id: "2", event: "end", data: "{}" },
    ]);
  });

  it("reads the same however the stream is cut, with any line ends", () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat(TEXT.length), { maxLength: 20 }),
        fc.constantFrom("\n", "\r\n"),
        (places, lineEnd) => {
          const text = TEXT.replaceAll("\n", lineEnd);
          const cuts = [
            0,
            ...places.map((place) => Math.min(place, text.length)).sort((a, b) => a - b),
            text.length,
          ];
          const chunks = cuts.slice(1).map((end, index) => text.slice(cuts[index], end));
          expect(parse(chunks)).toEqual(parse([TEXT]));
        },
      ),
    );
  });

  it("keeps an event back until it is whole", () => {
    expect(parse(["id: 1\ndata: half"])).toEqual([]);
  });
});
