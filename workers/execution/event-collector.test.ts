import { describe, expect, it } from "@jest/globals";
import type { EventDraft } from "../../src/core/transition.js";
import { EventCollector } from "./event-collector.js";
import { createSecretMask } from "./secret-mask.js";

describe("progress in one batch", () => {
  it("keeps every milestone, and of other reports the last before whatever comes next", async () => {
    const submitted: EventDraft[] = [];
    const collector = new EventCollector({
      mask: createSecretMask(["s3cret"]),
      maxLogBytes: 1_000,
      submit: async (events) => submitted.push(...events),
      mayPass: () => false,
      onLost: (error) => {
        throw error;
      },
    });
    collector.progress({ cell: 0 }, { isMilestone: true });
    collector.progress({ cell: 1, text: "s3cret" }, { isMilestone: true });
    collector.progress({ value: 0.1 });
    collector.progress({ value: 0.2 });
    collector.progress({ cell: 2 }, { isMilestone: true });
    collector.progress({ value: 0.3 });
    collector.progress({ value: 0.4 });
    await collector.finish();
    expect(submitted.map(({ data }) => data)).toEqual([
      { cell: 0 },
      { cell: 1, text: "••••••" },
      { value: 0.2 },
      { cell: 2 },
      { value: 0.4 },
    ]);
  });
});
