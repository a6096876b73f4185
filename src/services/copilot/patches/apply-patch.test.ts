import { describe, expect, it } from "@jest/globals";
import type { PatchOperation } from "../../../contracts/api/copilot.js";
import { applyPatch } from "./apply-patch.js";

const DOCUMENT = { name: "flow", steps: [{ id: "one" }, { id: "two" }] };
const apply = (...patch: PatchOperation[]) => applyPatch(DOCUMENT, patch);

describe("applyPatch", () => {
  it.each<[string, PatchOperation[], unknown]>([
    ["adds a member", [{ op: "add", path: "/note", value: 1 }], { ...DOCUMENT, note: 1 }],
    [
      "appends an item",
      [{ op: "add", path: "/steps/-", value: {} }],
      { ...DOCUMENT, steps: [...DOCUMENT.steps, {}] },
    ],
    ["replaces the whole", [{ op: "replace", path: "", value: [] }], []],
    ["removes an item", [{ op: "remove", path: "/steps/0" }], { ...DOCUMENT, steps: [{ id: "two" }] }],
    [
      "sees what an operation before it has done",
      [
        { op: "add", path: "/more", value: {} },
        { op: "copy", from: "/name", path: "/more/name" },
      ],
      { ...DOCUMENT, more: { name: "flow" } },
    ],
    [
      "takes a member whose name objects inherit another of",
      [{ op: "add", path: "/toString", value: "mine" }],
      { ...DOCUMENT, toString: "mine" },
    ],
  ])("%s", (_what, patch, value) => {
    expect(apply(...patch)).toEqual({ value });
  });

  it.each<[PatchOperation]>([
    [{ op: "add", path: "/steps/push/call", value: 1 }],
    [{ op: "add", path: "/toString/mark", value: 1 }],
    [{ op: "add", path: "/name/toString/mark", value: 1 }],
    [{ op: "add", path: "/__proto__/mark", value: 1 }],
    [{ op: "add", path: "/constructor/prototype/mark", value: 1 }],
    [{ op: "add", path: "/__proto__", value: { mark: 1 } }],
    [{ op: "copy", from: "/toString", path: "/text" }],
    [{ op: "move", from: "/steps/push", path: "/text" }],
    [{ op: "replace", path: "/steps/length", value: 5 }],
    [{ op: "add", path: "/steps/01", value: 1 }],
    [{ op: "remove", path: "/steps/-" }],
    [{ op: "remove", path: "/steps/2" }],
    [{ op: "test", path: "/name", value: "other" }],
  ])("does not follow %j", (operation) => {
    const call = Object.getOwnPropertyDescriptor(Array.prototype.push, "call");
    try {
      expect(apply(operation)).toEqual({ fault: expect.stringMatching(/leads nowhere|is no JSON Pointer/) });
      expect(Object.hasOwn(Array.prototype.push, "call")).toBe(false);
      expect(Object.hasOwn(Object.prototype.toString, "mark")).toBe(false);
      expect({}).not.toHaveProperty("mark");
    } finally {
      // what a fault has done to this process must not end the tests after this one
      if (call === undefined) Reflect.deleteProperty(Array.prototype.push, "call");
      Reflect.deleteProperty(Object.prototype.toString, "mark");
    }
  });
});
