import { describe, expect, it } from "@jest/globals";
import type { PlanStep } from "../../core/plan.js";
import { StepStates } from "../../core/step-states.js";
import type { StepChange } from "../../core/transition.js";
import { EndedOutputs } from "./ended-outputs.js";

const step = (id: string, index: number) => ({ id, index }) as PlanStep;
const end = (stepIndex: number, more: object = {}): StepChange =>
  ({ type: "end", stepIndex, itemIndex: -1, status: "succeeded", ...more }) as StepChange;
const run = (states: string) => ({ id: "run", states: new StepStates(states) });

describe("outputs of what ends in one flush", () => {
  it("make a run's output: values, artifacts, and null where a step has none; skipped steps are left out", () => {
    const outputs = new EndedOutputs();
    outputs.add("run", [
      end(0, { output: { a: 1 } }),
      end(1, { outputArtifactId: "id", output: null }),
      end(2),
    ]);
    const steps = ["value", "large", "nothing", "skipped"].map(step);
    expect(outputs.ofRun(run("sssk"), steps)).toEqual({
      value: { a: 1 },
      large: { $artifact: "id" },
      nothing: null,
    });
  });

  it("do not, when a step ended before, or in another run; items are no steps", () => {
    const outputs = new EndedOutputs();
    outputs.add("other", [end(0, { output: 1 })]);
    outputs.add("run", [end(0, { itemIndex: 3, output: 1 }), end(1, { output: 2 })]);
    expect(outputs.ofRun(run("ss"), [step("before", 0), step("now", 1)])).toBeUndefined();
    expect(outputs.ofRun(run("ks"), [step("before", 0), step("now", 1)])).toEqual({ now: 2 });
  });

  it("are none of a run whose last steps were all skipped", () => {
    expect(new EndedOutputs().ofRun(run("k"), [step("only", 0)])).toBeUndefined();
  });
});
