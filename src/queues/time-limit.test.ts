import { describe, expect, it } from "@jest/globals";
import { withTimeLimit } from "./time-limit.js";

describe("time limit", () => {
  it("gives what the work gives, and leaves no timer behind", async () => {
    const timers = () => process.getActiveResourcesInfo().filter((name) => name === "Timeout").length;
    const before = timers();
    await expect(withTimeLimit(Promise.resolve(7), 60_000, "It")).resolves.toBe(7);
    await expect(withTimeLimit(Promise.reject(new Error("no")), 60_000, "It")).rejects.toThrow("no");
    expect(timers()).toBeLessThanOrEqual(before);
  });

  it("says what took too long", async () => {
    const never = new Promise(() => undefined);
    await expect(withTimeLimit(never, 10, "Enqueueing")).rejects.toMatchObject({
      code: "NOT_READY",
      detail: "Enqueueing took longer than 10 ms",
    });
  });
});
