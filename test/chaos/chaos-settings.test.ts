import { expect, test } from "@jest/globals";
import { readChaosSettings } from "./chaos-settings.js";
import { createRandom } from "./random.js";

test("a full run is 2000 runs on both backends, a quick one 200 that write no report", () => {
  expect(readChaosSettings([])).toMatchObject({ runs: 2000, backends: ["redis", "postgres"], minutes: 6 });
  expect(readChaosSettings([])?.reportFile).toBe("docs/chaos.md");
  expect(readChaosSettings(["--quick"])).toMatchObject({ runs: 200, minutes: 1, reportFile: undefined });
  expect(readChaosSettings(["--help"])).toBeUndefined();
});

test("what it does not understand is refused by name", () => {
  expect(() => readChaosSettings(["--runs", "many"])).toThrow("--runs must be");
  expect(() => readChaosSettings(["--seed", "-1"])).toThrow();
  expect(() => readChaosSettings(["--backend", "kafka"])).toThrow("--backend knows redis, postgres and both");
  expect(() => readChaosSettings(["--fast"])).toThrow("--fast");
});

test("a seed gives the same numbers again, and a fork does not depend on what was drawn before", () => {
  const draw = (seed: number) => Array.from({ length: 5 }, createRandom(seed).next);
  expect(draw(7)).toEqual(draw(7));
  expect(draw(7)).not.toEqual(draw(8));
  const used = createRandom(7);
  used.next();
  expect(used.fork("faults").next()).toBe(createRandom(7).fork("faults").next());
  expect(createRandom(3).shuffle([1, 2, 3, 4]).sort()).toEqual([1, 2, 3, 4]);
});
