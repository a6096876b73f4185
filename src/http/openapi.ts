import { createDocument, type ZodOpenApiOperationObject, type ZodOpenApiPathsObject } from "zod-openapi";
import { z } from "zod";
import { problemSchema } from "../contracts/api/common.js";
import { ERROR_CODES, type ErrorCode } from "../errors/error-codes.js";
import type { RouteAnswer, RouteDefinition } from "./route.js";

/** The OpenAPI 3.1 document of a route table: made from the same schemas that requests are judged by. */
export function buildOpenApi(routes: readonly RouteDefinition[], version: string): object {
  const shown = routes.filter((route) => !route.hidden);
  return createDocument(
    {
      openapi: "3.1.0",
      info: {
        title: "Headrace",
        version,
        description:
          "Workflow platform. Lists are keyset pages, newest first. Errors are problem documents (RFC 9457). " +
          "Order of judgement: 401, 403, 404, then 409, 412, 422. Of JSON members with the same name the last counts. " +
          "A change by cookie needs `X-Headrace-CSRF: 1` and this server's own `Origin`.",
      },
      servers: [{ url: "/" }],
      tags: [...new Set(shown.map((route) => route.tag))].map((name) => ({ name })),
      paths: buildPaths(shown),
      components: {
        schemas: { Problem: problemSchema },
        securitySchemes: {
          bearer: { type: "http", scheme: "bearer", description: "An access token, or an API key (`hr_…`)." },
          cookie: { type: "apiKey", in: "cookie", name: "headrace_session" },
        },
      },
    },
    { reused: "inline", allowEmptySchema: { json: true } } as Parameters<typeof createDocument>[1],
  );
}

function buildPaths(routes: readonly RouteDefinition[]): ZodOpenApiPathsObject {
  const paths: Record<string, Record<string, ZodOpenApiOperationObject>> = {};
  for (const route of routes) {
    const path = route.path.replaceAll(/[:*]([A-Za-z]+)/g, "{$1}");
    const operations = paths[path] ?? {};
    operations[route.method] = buildOperation(route, path);
    paths[path] = operations;
  }
  return paths;
}

function buildOperation(route: RouteDefinition, path: string): ZodOpenApiOperationObject {
  const isPublic = route.permission === "public";
  return {
    operationId: toOperationId(route.method, path),
    summary: route.summary,
    tags: [route.tag],
    security: isPublic ? [] : [{ bearer: [] }, { cookie: [] }],
    ...(isPublic ? {} : { "x-permission": route.permission }),
    requestParams: buildParameters(route, path),
    ...buildRequestBody(route),
    responses: buildResponses(route),
  } as ZodOpenApiOperationObject;
}

function buildParameters(route: RouteDefinition, path: string) {
  const names = [...path.matchAll(/\{([A-Za-z]+)\}/g)].map(([, name = ""]) => name);
  const named = route.params instanceof z.ZodObject ? route.params : undefined;
  const fallback = z.object(Object.fromEntries(names.map((name) => [name, z.string()])));
  return {
    ...(names.length > 0 ? { path: named ?? fallback } : {}),
    ...(route.query instanceof z.ZodObject ? { query: route.query } : {}),
  };
}

function buildRequestBody(route: RouteDefinition) {
  if (route.rawBody)
    return { requestBody: { content: { "*/*": { schema: { type: "string", format: "binary" } } } } };
  if (!route.body) return {};
  const types = route.accepts ?? ["application/json"];
  const schema = route.body;
  return {
    requestBody: {
      required: !schema.safeParse(undefined).success,
      content: Object.fromEntries(types.map((type) => [type, { schema }])),
    },
  };
}

function buildResponses(route: RouteDefinition) {
  const own = Object.entries(route.answers).map(([status, answer]) => [
    status,
    buildResponse(Number(status), answer),
  ]);
  const errors = commonErrors(route)
    .filter((code) => !(ERROR_CODES[code].status in route.answers))
    .map((code) => [String(ERROR_CODES[code].status), problem(ERROR_CODES[code].title)]);
  return Object.fromEntries([...own, ...errors]) as ZodOpenApiOperationObject["responses"];
}

function buildResponse(status: number, answer: RouteAnswer) {
  if (answer.schema) {
    const type = answer.contentType ?? "application/json";
    return { description: answer.description, content: { [type]: { schema: answer.schema } } };
  }
  if (answer.contentType) {
    return {
      description: answer.description,
      content: { [answer.contentType]: { schema: { type: "string" } } },
    };
  }
  return status >= 400 ? problem(answer.description) : { description: answer.description };
}

function problem(description: string) {
  return { description, content: { "application/problem+json": { schema: problemSchema } } };
}

/** What every route of a kind may answer beside what it lists itself. */
function commonErrors(route: RouteDefinition): ErrorCode[] {
  const takesBody = route.body !== undefined || route.rawBody === true;
  const isApi = route.path.startsWith("/api/");
  return [
    ...(takesBody ? (["MALFORMED_JSON", "BODY_TOO_LARGE", "UNSUPPORTED_MEDIA_TYPE"] as const) : []),
    ...(route.permission === "public" ? [] : (["UNAUTHENTICATED", "FORBIDDEN"] as const)),
    ...(route.path.includes("/:") ? (["NOT_FOUND"] as const) : []),
    ...(takesBody || route.query || isApi ? (["INVALID_FIELDS"] as const) : []),
    "INTERNAL",
    "NOT_READY",
  ];
}

function toOperationId(method: string, path: string): string {
  const words = path
    .replace(/^\/api\/v1/, "")
    .split(/[^A-Za-z0-9]+/)
    .filter((word) => word !== "");
  return method + words.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join("");
}
