import { describe, expect, it } from "@jest/globals";
import { createOutgoingGuard } from "../../outgoing/outgoing-guard.js";
import {
  findConstantFaults,
  httpRequestInputSchema,
  httpRequestInputs,
  parseHttpRequest,
} from "./definition.js";

const guard = createOutgoingGuard();
const url = "https://api.example.org/x";

describe("the inputs of builtin:http", () => {
  it("are named alike in all their forms", () => {
    const names = [...httpRequestInputs.required, ...httpRequestInputs.optional];
    expect(Object.keys(httpRequestInputSchema["properties"] as object).toSorted()).toEqual(names.toSorted());
    expect(httpRequestInputSchema).toMatchObject({ required: ["url"], additionalProperties: false });
    expect(names).toEqual(expect.arrayContaining(["method", "headers", "query", "body", "form"]));
  });

  it("have defaults, and null counts as not given", () => {
    expect(parseHttpRequest({ url, headers: null, body: null, timeoutSeconds: null }, guard)).toEqual({
      request: {
        url,
        method: "GET",
        apiKeyHeader: "X-Api-Key",
        expectedStatus: "2xx",
        followRedirects: true,
        responseType: "auto",
      },
    });
  });

  it("are judged before a run as far as they are constants", () => {
    expect(findConstantFaults({}, guard)).toEqual([]);
    expect(findConstantFaults({ method: "post", headers: { "X-A": "1" } }, guard)).toEqual([]);
    const faults = findConstantFaults(
      { url: "http://169.254.169.254/", headers: { Host: "x" }, body: 1, form: {}, timeout: 3 },
      guard,
    );
    expect(faults.map(({ path }) => path).toSorted()).toEqual(["/form", "/headers/Host", "/timeout", "/url"]);
  });
});
