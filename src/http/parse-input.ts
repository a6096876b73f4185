import type { Request } from "express";
import { isJsonObject } from "../core/json.js";
import { type FieldFault, invalidFields, notFound } from "../errors/app-error.js";
import { toFieldFaults } from "./field-faults.js";
import { assertReadable, hasBody, parseBody, readBytes } from "./parse-body.js";
import { findUnfitValues, isUnstorable } from "./parse-json.js";
import { parseQuery } from "./parse-query.js";
import type { RouteDefinition } from "./route.js";

const JSON_ONLY = ["application/json"] as const;

/** The path's parameters, decoded and parsed. @throws AppError NOT_FOUND for what can name nothing */
export function parseParams(route: RouteDefinition, request: Request): unknown {
  const given = Object.values(request.params).flat();
  if (given.some((value) => value.length > 1000 || isUnstorable(value))) throw notFound(route.tag);
  const parsed = route.params?.safeParse({ ...request.params });
  if (parsed && !parsed.success) throw notFound(route.tag);
  return parsed?.data ?? request.params;
}

/** What a request asks for beside its path. */
export interface RouteInput {
  readonly query: unknown;
  readonly body: unknown;
}

/**
 * Reads and judges query and body.
 * @throws AppError INVALID_FIELDS with every fault at once; MALFORMED_JSON, BODY_TOO_LARGE, UNSUPPORTED_MEDIA_TYPE
 */
export async function parseInput(
  route: RouteDefinition,
  maxBodyBytes: number,
  request: Request,
): Promise<RouteInput> {
  const accepts = route.rawBody ? undefined : (route.accepts ?? JSON_ONLY);
  const takesBody = route.body !== undefined || route.rawBody === true;
  let bytes = Buffer.alloc(0) as Buffer;
  if (hasBody(request)) {
    assertReadable(request, maxBodyBytes, takesBody ? accepts : undefined);
    if (takesBody) bytes = await readBytes(request, maxBodyBytes);
  }
  const query = judgeQuery(route, request.originalUrl);
  const body = route.rawBody
    ? { value: bytes as unknown, faults: [] }
    : await judgeBody(route, await parseBody(request, bytes, accepts ?? JSON_ONLY));
  const faults = [...query.faults, ...body.faults];
  if (faults.length > 0) throw invalidFields(faults);
  return { query: query.value, body: body.value };
}

interface Judged {
  readonly value: unknown;
  readonly faults: readonly FieldFault[];
}

function judgeQuery(route: RouteDefinition, url: string): Judged {
  const { query, faults } = parseQuery(url);
  if (faults.length > 0) return { value: undefined, faults };
  if (route.query) return judgeValue(route.query, query);
  // pages and probes get all sorts of parameters from the outside; the API names what it does not know
  if (!route.path.startsWith("/api/")) return { value: {}, faults: [] };
  const unknown = Object.keys(query).map((name) => ({ path: `/${name}`, message: "unknown parameter" }));
  return { value: {}, faults: unknown };
}

async function judgeBody(route: RouteDefinition, given: unknown): Promise<Judged> {
  if (!route.body) return { value: undefined, faults: [] };
  if (given === undefined) {
    const parsed = route.body.safeParse(undefined);
    if (parsed.success) return { value: parsed.data, faults: [] };
    return { value: undefined, faults: [{ path: "", message: "a body is required" }] };
  }
  if (!isJsonObject(given)) return { value: undefined, faults: [{ path: "", message: "must be an object" }] };
  const unfit = findUnfitValues(given);
  if (unfit.length > 0) return { value: undefined, faults: unfit };
  const { value, faults } = judgeValue(route.body, given);
  if (faults.length === 0 || !route.judgeFurther) return { value, faults };
  return { value, faults: [...faults, ...(await route.judgeFurther(given))] };
}

function judgeValue(schema: NonNullable<RouteDefinition["body"]>, given: unknown): Judged {
  const parsed = schema.safeParse(given);
  if (parsed.success) return { value: parsed.data, faults: [] };
  return { value: undefined, faults: toFieldFaults(parsed.error.issues) };
}
