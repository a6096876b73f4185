import { describe, expect, it } from "@jest/globals";
import {
  addStep,
  connect,
  type Definition,
  disconnect,
  edgesOf,
  freeId,
  type PlacedStep,
  removeSteps,
  renameStep,
  stepsOf,
  updateStep,
  wouldCircle,
} from "./definition-model.js";

const DEFINITION: Definition = {
  inputs: { type: "object", properties: { step: { const: "read" } } },
  steps: [
    { id: "read", uses: "mcp:read" },
    { id: "sum", uses: "mcp:sum", inputs: { rows: { step: "read", output: "/rows" } } },
    { id: "tell", uses: "builtin:noop", dependsOn: ["sum"], when: "steps.sum.output.total > 1" },
  ],
  finally: [{ id: "end", uses: "builtin:noop" }],
  outputs: { total: { step: "sum", output: "/total" } },
};
const get = (key: string, definition = DEFINITION): PlacedStep => {
  const found = stepsOf(definition).find((step) => step.key === key);
  if (!found) throw new Error(`no step ${key}`);
  return found;
};
const pairs = (definition: Definition) =>
  edgesOf(stepsOf(definition)).map(({ source, target, how }) => `${source}>${target}:${how}`);

describe("the graph of a definition that is being written", () => {
  it("has the edges that mappings, dependsOn and expressions make", () => {
    expect(pairs(DEFINITION)).toEqual(["read>sum:data", "sum>tell:order"]);
    const quoted = updateStep(DEFINITION, get("tell"), { dependsOn: undefined, when: "steps.`read`.output" });
    expect(pairs(quoted)).toEqual(["read>sum:data", "read>tell:order"]);
  });

  it("names steps apart that have one id, or none", () => {
    const keys = stepsOf({ steps: [{ id: "a" }, { id: "a" }, {}] }).map(({ key }) => key);
    expect(keys).toEqual(["a", "/steps/1", "/steps/2"]);
  });

  it("renames a step wherever it is named, and nothing else", () => {
    const renamed = renameStep(DEFINITION, get("sum"), "sum-up");
    expect(stepsOf(renamed).map(({ id }) => id)).toEqual(["read", "sum-up", "tell", "end"]);
    expect(renamed["outputs"]).toEqual({ total: { step: "sum-up", output: "/total" } });
    expect(get("tell", renamed).step).toMatchObject({
      dependsOn: ["sum-up"],
      when: "steps.`sum-up`.output.total > 1",
    });
    expect(renamed["inputs"]).toEqual(DEFINITION["inputs"]);
    expect(Object.keys(renamed)).toEqual(Object.keys(DEFINITION));
  });

  it("lets go of a step that is removed", () => {
    const left = removeSteps(DEFINITION, new Set(["read", "end"]));
    expect(get("sum", left).step).toEqual({ id: "sum", uses: "mcp:sum" });
    expect("finally" in left).toBe(false);
  });

  it("connects by order or by an input, and takes either away", () => {
    const ordered = connect(DEFINITION, get("read"), get("tell"));
    expect(get("tell", ordered).step["dependsOn"]).toEqual(["sum", "read"]);
    const mapped = connect(DEFINITION, get("read"), get("tell"), { input: "x", output: "/rows" });
    expect(pairs(mapped)).toContain("read>tell:data");
    expect(pairs(disconnect(mapped, get("read", mapped), get("tell", mapped)))).toEqual(pairs(DEFINITION));
  });

  it("knows what would close a circle", () => {
    const steps = stepsOf(DEFINITION);
    expect(wouldCircle(steps, "tell", "read")).toBe(true);
    expect(wouldCircle(steps, "read", "tell")).toBe(false);
    expect(wouldCircle(steps, "read", "read")).toBe(true);
  });

  it("finds free ids", () => {
    expect(freeId(DEFINITION, "read")).toBe("read-2");
    expect(freeId(DEFINITION, "9 Lives!")).toBe("lives-");
    const added = addStep(DEFINITION, "steps", { id: freeId(DEFINITION, "x") });
    expect(stepsOf(added)).toHaveLength(5);
  });
});
