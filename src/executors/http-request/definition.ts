import { z } from "zod";
import { toSchemaFaults } from "../../contracts/schema-faults.js";
import type { JsonObject, JsonValue } from "../../core/json.js";
import type { FieldFault } from "../../errors/app-error.js";
import type { OutgoingGuard } from "../../outgoing/outgoing-guard.js";
import { headerNameField, headersField, headerValueField } from "../header-fields.js";

const METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] as const;
/** A single status, a class such as `2xx`, or a range such as `200-299`. */
const STATUS_PATTERN = /^[1-5](?:xx|[0-9]{2}(?:-[1-5][0-9]{2})?)$/;

const scalarField = z.union([z.string(), z.number(), z.boolean(), z.null()], {
  error: "must be text, a number, true, false or null",
});
/** Names with a value or several; `null` leaves the name out. */
const pairsField = z.record(z.string().max(1_000), z.union([scalarField, z.array(scalarField).max(1_000)]));
const statusField = z.union([z.int().min(100).max(599), z.string().regex(STATUS_PATTERN)], {
  error: "must be a status such as 200, 2xx or 200-299",
});
const jsonField = z.unknown().optional() as unknown as z.ZodOptional<z.ZodType<JsonValue>>;

/** The inputs of `builtin:http`, after their mappings are resolved. `null` counts as not given. */
const httpRequestSchema = z.strictObject({
  method: z.string().toUpperCase().pipe(z.enum(METHODS)).default("GET").describe(METHODS.join(", ")),
  url: z.string().min(1, "must be a URL").max(8_192).describe("http:// or https://; its query stays."),
  headers: headersField.optional(),
  query: pairsField.optional().describe("Added to the URL's own query."),
  body: jsonField.describe("Text is sent as text/plain, all else as JSON, unless a header says otherwise."),
  form: pairsField.optional().describe("Sent as application/x-www-form-urlencoded."),
  bearerToken: headerValueField.min(1).optional().describe("Sent as `Authorization: Bearer …`."),
  basicAuth: z
    .string()
    .max(4_096)
    .regex(/^[^:]*:/, "must be user:password")
    .optional()
    .describe("user:password, sent as `Authorization: Basic …`."),
  apiKey: headerValueField.min(1).optional().describe("Sent in the header that apiKeyHeader names."),
  apiKeyHeader: headerNameField.default("X-Api-Key"),
  expectedStatus: z.union([statusField, z.array(statusField).min(1).max(100)]).default("2xx"),
  timeoutSeconds: z
    .number()
    .positive()
    .max(86_400)
    .optional()
    .describe("For the whole exchange, redirects and body included."),
  followRedirects: z.boolean().default(true).describe("At most 5."),
  responseType: z.enum(["auto", "json", "text", "artifact"]).default("auto"),
});
export type HttpRequest = z.infer<typeof httpRequestSchema>;

/** The names of the inputs of `builtin:http`. */
export const httpRequestInputs: {
  readonly required: readonly string[];
  readonly optional: readonly string[];
} = {
  required: ["url"],
  optional: Object.keys(httpRequestSchema.shape).filter((name) => name !== "url"),
};

/** The same as JSON Schema, for forms and documents. */
export const httpRequestInputSchema = z.toJSONSchema(httpRequestSchema, {
  io: "input",
  unrepresentable: "any",
}) as JsonObject;

/** Judges URLs without resolving them. */
type UrlGuard = Pick<OutgoingGuard, "findUrlFault">;

/** The request that a step's inputs describe, or everything that is wrong with them. */
export function parseHttpRequest(
  input: JsonObject,
  guard: UrlGuard,
): { readonly request: HttpRequest } | { readonly faults: readonly FieldFault[] } {
  const given = withoutNulls(input);
  const parsed = httpRequestSchema.safeParse(given);
  const faults = [
    ...(parsed.success ? [] : toSchemaFaults(parsed.error.issues)),
    ...findContradictions(given),
    ...findUrlFaults(given["url"], guard),
  ];
  return parsed.success && faults.length === 0 ? { request: parsed.data } : { faults };
}

/**
 * What is wrong with the inputs of a step that are known before it runs: its constants, by name. For saving; the
 * paths begin at the input's name.
 */
export function findConstantFaults(constants: JsonObject, guard: UrlGuard): FieldFault[] {
  const given = withoutNulls(constants);
  const parsed = httpRequestSchema.partial().safeParse(given);
  return [
    ...(parsed.success ? [] : toSchemaFaults(parsed.error.issues)),
    ...findContradictions(given),
    ...findUrlFaults(given["url"], guard),
  ];
}

function withoutNulls(input: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(input).filter(([, value]) => value !== null));
}

function findUrlFaults(url: JsonValue | undefined, guard: UrlGuard): FieldFault[] {
  const message = typeof url === "string" && url !== "" ? guard.findUrlFault(url) : undefined;
  return message === undefined ? [] : [{ path: "/url", message }];
}

/** Inputs that cannot stand together: each says the same thing another way. */
function findContradictions(given: JsonObject): FieldFault[] {
  const faults: FieldFault[] = [];
  const headers = namesOf(given["headers"]);
  const has = (name: string): boolean => given[name] !== undefined;
  const clash = (name: string, other: string): void => {
    faults.push({ path: `/${name}`, message: `cannot stand beside ${other}` });
  };
  if (has("form") && has("body")) clash("form", "body");
  if (has("basicAuth") && has("bearerToken")) clash("basicAuth", "bearerToken");
  for (const name of ["bearerToken", "basicAuth"]) {
    if (has(name) && headers.includes("authorization")) clash(name, "the header Authorization");
  }
  const keyHeader = String(given["apiKeyHeader"] ?? "X-Api-Key").toLowerCase();
  const isKeyTaken = keyHeader === "authorization" && (has("bearerToken") || has("basicAuth"));
  if (has("apiKey") && (isKeyTaken || headers.includes(keyHeader)))
    clash("apiKey", `the header ${keyHeader}`);
  return faults;
}

function namesOf(headers: JsonValue | undefined): string[] {
  if (typeof headers !== "object" || headers === null) return [];
  return Object.keys(headers).map((name) => name.toLowerCase());
}
