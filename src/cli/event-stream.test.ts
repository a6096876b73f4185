import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import type { StreamFrame } from "./api-client.js";
import { parseEventStream } from "./event-stream.js";

async function parse(chunks: readonly Uint8Array[]): Promise<StreamFrame[]> {
  async function* body(): AsyncGenerator<Uint8Array> {
    yield* chunks;
  }
  const frames: StreamFrame[] = [];
  for await (const frame of parseEventStream(body())) frames.push(frame);
  return frames;
}

const TEXT =
  ': keep-alive\n\nid: 1\nevent: step.log\ndata: {"a":"é"}\n\nid: 2\r\nevent: end\r\ndata: one\r\ndata: two\r\n\r\nid: 3\n\n';

describe("parseEventStream", () => {
  it("gives the same frames however the bytes are cut", async () => {
    const bytes = new TextEncoder().encode(TEXT);
    const whole = [
      { id: "1", event: "step.log", data: '{"a":"é"}' },
      { id: "2", event: "end", data: "one\ntwo" },
    ];
    expect(await parse([bytes])).toEqual(whole);
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 0, max: bytes.length }), { maxLength: 12 }),
        async (cuts) => {
          const edges = [0, ...cuts.sort((a, b) => a - b), bytes.length];
          const chunks = edges.slice(1).map((edge, index) => bytes.slice(edges[index], edge));
          expect(await parse(chunks)).toEqual(whole);
        },
      ),
    );
  });
});
