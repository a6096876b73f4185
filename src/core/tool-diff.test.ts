import { describe, expect, it } from "@jest/globals";
import type { JsonObject } from "./json.js";
import { type ContractTool, hashTools } from "./tool-contract.js";
import { diffTools } from "./tool-diff.js";

const INPUT: JsonObject = {
  type: "object",
  properties: { city: { type: "string", description: "where", maxLength: 10 }, units: { enum: ["c", "f"] } },
  required: ["city"],
};
const OUTPUT: JsonObject = {
  type: "object",
  properties: { degrees: { type: "number" } },
  required: ["degrees"],
};
const weather: ContractTool = {
  name: "weather",
  description: "tells",
  inputSchema: INPUT,
  outputSchema: OUTPUT,
};

interface LooseSchema {
  properties: Record<string, Record<string, unknown>>;
  required: string[];
}
interface LooseTool {
  inputSchema: LooseSchema;
  outputSchema?: LooseSchema;
}

function set(schema: LooseSchema | undefined, property: string, keyword: string, value: unknown): void {
  Object.assign(schema?.properties[property] ?? {}, { [keyword]: value });
}

function add(schema: LooseSchema | undefined, property: string, value: object): void {
  Object.assign(schema?.properties ?? {}, { [property]: value });
}

/** The tool with its schemas changed. */
function changed(change: (tool: LooseTool) => void): ContractTool {
  const copy = structuredClone(weather) as unknown as LooseTool;
  change(copy);
  return copy as unknown as ContractTool;
}

describe("comparing tool lists", () => {
  it("finds nothing between lists that differ in order alone, which have one hash", () => {
    const other: ContractTool = { name: "a", inputSchema: { type: "object" } };
    const reordered: ContractTool = {
      outputSchema: OUTPUT,
      inputSchema: Object.fromEntries(Object.entries(INPUT).reverse()),
      description: "tells",
      name: "weather",
    };
    expect(diffTools([weather, other], [other, reordered])).toEqual({ kind: "none", changes: [] });
    expect(hashTools([weather, other])).toBe(hashTools([other, reordered]));
    expect(hashTools([{ ...weather, description: "lies" }])).not.toBe(hashTools([weather]));
  });

  const cases: [string, ContractTool[], string, string][] = [
    ["a tool that is gone", [], "breaking", ""],
    ["a tool that came", [weather, { name: "b", inputSchema: {} }], "compatible", ""],
    ["another description", [{ ...weather, description: "lies" }], "description", "/description"],
    [
      "another description of a property",
      [changed((tool) => set(tool.inputSchema, "city", "description", "x"))],
      "description",
      "/inputSchema/properties/city/description",
    ],
    [
      "an optional input that came",
      [changed((tool) => add(tool.inputSchema, "day", { type: "string" }))],
      "compatible",
      "/inputSchema/properties/day",
    ],
    [
      "an input that became required",
      [changed((tool) => tool.inputSchema.required.push("units"))],
      "breaking",
      "/inputSchema/required",
    ],
    [
      "an input that is required no more",
      [changed((tool) => (tool.inputSchema.required = []))],
      "compatible",
      "/inputSchema/required",
    ],
    [
      "an input that is gone",
      [changed((tool) => delete tool.inputSchema.properties.units)],
      "breaking",
      "/inputSchema/properties/units",
    ],
    [
      "an input of more types",
      [changed((tool) => set(tool.inputSchema, "city", "type", ["string", "null"]))],
      "compatible",
      "/inputSchema/properties/city/type",
    ],
    [
      "an input of another type",
      [changed((tool) => set(tool.inputSchema, "city", "type", "number"))],
      "breaking",
      "/inputSchema/properties/city/type",
    ],
    [
      "a choice less",
      [changed((tool) => set(tool.inputSchema, "units", "enum", ["c"]))],
      "breaking",
      "/inputSchema/properties/units/enum",
    ],
    [
      "a looser bound",
      [changed((tool) => set(tool.inputSchema, "city", "maxLength", 20))],
      "compatible",
      "/inputSchema/properties/city/maxLength",
    ],
    [
      "a tighter bound",
      [changed((tool) => set(tool.inputSchema, "city", "maxLength", 5))],
      "breaking",
      "/inputSchema/properties/city/maxLength",
    ],
    [
      "a pattern that came",
      [changed((tool) => set(tool.inputSchema, "city", "pattern", "^a"))],
      "breaking",
      "/inputSchema/properties/city/pattern",
    ],
    [
      "an output of more types",
      [changed((tool) => set(tool.outputSchema, "degrees", "type", ["number", "null"]))],
      "breaking",
      "/outputSchema/properties/degrees/type",
    ],
    [
      "an output that may be missing",
      [changed((tool) => ((tool.outputSchema as LooseSchema).required = []))],
      "breaking",
      "/outputSchema/required",
    ],
    [
      "an output that came",
      [changed((tool) => add(tool.outputSchema, "wind", {}))],
      "compatible",
      "/outputSchema/properties/wind",
    ],
    ["no output schema any more", [changed((tool) => delete tool.outputSchema)], "breaking", "/outputSchema"],
  ];
  it.each(cases)("calls %s what it is", (_what, after, kind, path) => {
    const diff = diffTools([weather], after);
    expect(diff.kind).toBe(kind);
    expect(diff.changes).toEqual([expect.objectContaining({ kind, path })]);
  });

  it("is as grave as its gravest change, and names 200 at most", () => {
    const many = Array.from({ length: 300 }, (_, at) => ({ name: `t${at}`, inputSchema: {} }));
    const diff = diffTools([weather], many);
    expect(diff.kind).toBe("breaking");
    expect(diff.changes).toHaveLength(200);
  });
});
