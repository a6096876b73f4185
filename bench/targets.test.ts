import { expect, test } from "@jest/globals";
import { judge } from "./targets.js";

const ratios = { vsRaw: 0.5, p50AddedMs: 4.5, p50AddedMsPerStep: 4.5 };

test("a share of raw's throughput must not be below its floor", () => {
  const verdictOf = (vsRaw: number) =>
    judge({ W1: { ...ratios, vsRaw } }).find((verdict) => verdict.id === "T1");
  expect(verdictOf(0.8)).toMatchObject({ verdict: "goal", isFailure: false });
  expect(verdictOf(0.6)).toMatchObject({ verdict: "ok", isFailure: false });
  expect(verdictOf(0.49)).toMatchObject({ verdict: "below", isFailure: false });
  expect(verdictOf(0.47)).toMatchObject({ verdict: "below", isFailure: true });
});

test("an added latency must not be above its limit", () => {
  const verdictOf = (p50AddedMs: number) =>
    judge({ W3: { ...ratios, p50AddedMs } }).find((verdict) => verdict.id === "T4");
  expect(verdictOf(15)).toMatchObject({ verdict: "goal", isFailure: false });
  expect(verdictOf(30)).toMatchObject({ verdict: "ok", isFailure: false });
  expect(verdictOf(35)).toMatchObject({ verdict: "below", isFailure: false });
  expect(verdictOf(37)).toMatchObject({ verdict: "below", isFailure: true });
});

test("only what was measured is judged", () => {
  expect(judge({ W2: ratios }).map(({ workload, figure }) => [workload, figure])).toEqual([
    ["W2", "vsRaw"],
    ["W2", "p50AddedMsPerStep"],
  ]);
});

test("W4 is judged by its own figures", () => {
  const verdicts = judge({ W4: { vsZygote: 3, warmVsCold: 2.3, seconds: 0.2, typescriptMsPerStep: 50 } });
  expect(verdicts.map(({ id, verdict, isFailure }) => [id, verdict, isFailure])).toEqual([
    ["T9", "ok", false],
    ["T10", "below", true],
    ["T11", "goal", false],
    ["T12", "below", true],
  ]);
});
