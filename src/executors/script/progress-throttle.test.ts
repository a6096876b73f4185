import { describe, expect, it } from "@jest/globals";
import type { JsonObject } from "../../core/json.js";
import { createProgressThrottle } from "./progress-throttle.js";

describe("createProgressThrottle", () => {
  it("passes a burst, then ten a second, and the last one in any case", () => {
    let at = 0;
    const seen: JsonObject[] = [];
    const throttle = createProgressThrottle(
      (data) => seen.push(data),
      () => at,
    );
    for (let value = 0; value < 1_000; value += 1) {
      throttle.report({ value });
      at += 1;
    }
    expect(seen.slice(0, 50).map((data) => data["value"])).toEqual(
      Array.from({ length: 50 }, (_, index) => index),
    );
    expect(seen.length).toBeGreaterThanOrEqual(58);
    expect(seen.length).toBeLessThanOrEqual(61);
    throttle.flush();
    throttle.flush();
    expect(seen.at(-1)).toEqual({ value: 999 });
    expect(seen.filter((data) => data["value"] === 999)).toHaveLength(1);
  });
});
