import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { splitPayloads } from "./notify-payloads.js";

const runs = fc.array(
  fc.record({ runId: fc.uuid(), seq: fc.integer({ min: 1 }), isRunEvent: fc.boolean() }),
  { maxLength: 400 },
);

describe("payloads of NOTIFY", () => {
  it("keeps a short message whole", () => {
    const message = { runs: [{ runId: "a", seq: 1, isRunEvent: true }] };
    expect(splitPayloads("run-events", message)).toEqual([JSON.stringify(message)]);
    expect(splitPayloads("run-events", { runs: [] })).toEqual(['{"runs":[]}']);
  });

  it("cuts a list of any length into parts that PostgreSQL takes, losing nothing and keeping the order", () => {
    fc.assert(
      fc.property(runs, (list) => {
        const parts = splitPayloads("run-events", { runs: list });
        for (const part of parts) expect(Buffer.byteLength(part)).toBeLessThan(8000);
        expect(parts.flatMap((part) => JSON.parse(part).runs)).toEqual(list);
      }),
      { numRuns: 50 },
    );
  });

  it("refuses what cannot be cut", () => {
    const runId = "x".repeat(8000);
    expect(() => splitPayloads("control", { type: "stop-run", runId, below: 1 })).toThrow(RangeError);
    expect(() => splitPayloads("run-events", { runs: [{ runId, seq: 1, isRunEvent: true }] })).toThrow(
      RangeError,
    );
  });
});
