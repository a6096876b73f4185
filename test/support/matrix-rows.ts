import { expect, it } from "@jest/globals";
import { parse } from "yaml";
import type { Role } from "../../src/core/permissions.js";
import type { TestRequest, TestResponse } from "./http-client.js";

/** A request of a row, and who sends it; null: without a token. Default: an editor. */
export type MatrixRequest = TestRequest & { readonly as?: Role | null };

/** One row of the matrix of bad inputs, or one variant of it. */
export interface MatrixRow {
  /** Number and words of the row: "37 config.type beside mcpType". */
  readonly name: string;
  readonly request: MatrixRequest | (() => MatrixRequest);
  /** What is answered; of several, any. */
  readonly status: number | readonly number[];
  /** Pointers that must be among the faults. */
  readonly paths?: readonly string[];
}

/** Sends a request of a row. */
export type Send = (request: MatrixRequest) => Promise<TestResponse>;

/** Traces of the inside that no answer may show. */
const LEAKS =
  /^ {4}at |\n {4}at |node_modules|\/home\/|\/srv\/|\/work\/|\/root\/|\/tmp\/|pg_|\bSELECT .* FROM\b|\bINSERT INTO\b|\b[A-Z][A-Za-z]*Error: /;
/** What every request may take on a machine that does nothing else. */
const MOST_MS = 1_000;

/** A row whose request is a POST of JSON. */
export function post(
  name: string,
  [path, body]: readonly [string, unknown],
  status: MatrixRow["status"],
  ...paths: string[]
): MatrixRow {
  return { name, request: { method: "POST", path: `/api/v1${path}`, body }, status, paths };
}

/** A row whose request is a GET. */
export function get(name: string, path: string, status: MatrixRow["status"], ...paths: string[]): MatrixRow {
  return { name, request: { path: `/api/v1${path}` }, status, paths };
}

/** One test for each row. Names must differ: a row that is there twice would hide one. */
export function itHolds(rows: readonly MatrixRow[], send: Send): void {
  expect(new Set(rows.map(({ name }) => name)).size).toBe(rows.length);
  it.each(rows.map((row) => [row.name, row] as const))("%s", async (_name, row) => {
    const request = typeof row.request === "function" ? row.request() : row.request;
    const response = await sendWithin(request, send);
    expectRefusal(request, response, row);
  });
}

/** A refused request changes nothing, so a slow answer is asked for once more before it counts. */
async function sendWithin(request: MatrixRequest, send: Send): Promise<TestResponse> {
  for (const isLast of [false, true]) {
    const begun = performance.now();
    const response = await send(request);
    const took = performance.now() - begun;
    if (took <= MOST_MS) return response;
    if (isLast) expect(took).toBeLessThanOrEqual(MOST_MS);
  }
  throw new Error("unreachable");
}

/** Holds an answer against the row and, when it is a refusal, against what every refusal must be. */
export function expectRefusal(
  request: MatrixRequest,
  response: TestResponse,
  { status, paths = [] }: Pick<MatrixRow, "status" | "paths">,
): void {
  const wanted = typeof status === "number" ? [status] : status;
  const found = { status: response.status, text: wanted.includes(response.status) ? "" : response.text };
  expect(found).toEqual({ status: response.status, text: "" });
  if (response.status >= 400 && request.method !== "HEAD") expectProblem(request, response);
  expect(faultPaths(response)).toEqual(expect.arrayContaining([...paths]));
}

/** The property that every error answer has. */
export function expectProblem(request: MatrixRequest, response: TestResponse): void {
  const { body, headers, text } = response;
  expect(headers["content-type"]).toMatch(/^application\/problem\+json/);
  expect(body).toMatchObject({
    type: expect.stringMatching(/^https:\/\/headrace\.dev\/problems\/[a-z-]+$/),
    title: expect.any(String),
    status: response.status,
    detail: expect.any(String),
    instance: expect.any(String),
    requestId: headers["x-request-id"],
  });
  expect(text).not.toMatch(LEAKS);
  for (const path of faultPaths(response)) expect([path, pointsIntoRequest(path, request)]).toEqual([path, true]);
}

/** The pointers of an answer's faults. */
export function faultPaths(response: TestResponse): string[] {
  const errors = response.body["errors"] as unknown as readonly { path: string }[] | undefined;
  return (errors ?? []).map(({ path }) => path);
}

/** Whether it names something that was sent, or a member that is missing from it. */
function pointsIntoRequest(pointer: string, { body, path, headers = {} }: MatrixRequest): boolean {
  if (pointer === "") return true;
  const tokens = pointer
    .slice(1)
    .split("/")
    .map((token) => token.replaceAll("~1", "/").replaceAll("~0", "~"));
  if (tokens[0] === "headers") {
    const sent = Object.keys(headers).map((name) => name.toLowerCase());
    return tokens.length === 2 && sent.includes(String(tokens[1]).toLowerCase());
  }
  const names = new URL(path, "http://localhost").searchParams;
  // without a body, it is a parameter: one that was given, or one that is missing
  if (tokens.length === 1 && (body === undefined || names.has(tokens[0] ?? ""))) return true;
  if (Buffer.isBuffer(body)) return true;
  return exists(toValue(body), tokens);
}

function toValue(body: unknown): unknown {
  if (typeof body !== "string") return body;
  try {
    return JSON.parse(body);
  } catch {
    return parse(body);
  }
}

function exists(value: unknown, [first, ...rest]: readonly string[]): boolean {
  if (first === undefined) return true;
  if (typeof value !== "object" || value === null) return false;
  const isThere = Object.hasOwn(value, first);
  return isThere ? exists((value as Record<string, unknown>)[first], rest) : rest.length === 0;
}
