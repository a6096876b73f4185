import type { HttpRequest } from "./definition.js";

/** Whether a status is one that the step expects: `200`, `"2xx"`, `"200-299"`, or any of several. */
export function isExpectedStatus(status: number, expected: HttpRequest["expectedStatus"]): boolean {
  return [expected].flat().some((one) => {
    const text = String(one);
    if (text.endsWith("xx")) return text[0] === String(status)[0];
    const [from, to = from] = text.split("-").map(Number);
    return from !== undefined && to !== undefined && status >= from && status <= to;
  });
}
