import { describe, expect, it } from "@jest/globals";
import { fromRows, toRows } from "./schema-rows.js";

describe("rows of a schema", () => {
  const schema = {
    type: "object",
    properties: {
      day: { type: "string", description: "The day", format: "date", default: "2026-01-01" },
      any: {},
    },
    required: ["day"],
    additionalProperties: false,
  };

  it("come back as the same schema", () => {
    const rows = toRows(schema);
    expect(rows?.map(({ name, isRequired }) => [name, isRequired])).toEqual([
      ["day", true],
      ["any", false],
    ]);
    expect(fromRows(schema, rows ?? [])).toEqual(schema);
  });

  it("are none for a schema that is no object of single types", () => {
    expect(toRows({ type: "array" })).toBeUndefined();
    expect(toRows({ properties: { x: { type: ["string", "null"] } } })).toBeUndefined();
    expect(toRows({ properties: { x: true } })).toBeUndefined();
  });

  it("leave no schema when there are none", () => {
    expect(fromRows({ type: "object", properties: {} }, [])).toBeUndefined();
    expect(fromRows({ type: "object", additionalProperties: false }, [])).toEqual({
      type: "object",
      properties: {},
      additionalProperties: false,
    });
  });
});
