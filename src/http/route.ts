import type { IncomingMessage, ServerResponse } from "node:http";
import type { ZodType } from "zod";
import type { Actor, RequestOrigin } from "../core/actor.js";
import type { Permission } from "../core/permissions.js";

/** The HTTP methods that routes use. */
export type HttpMethod = "get" | "post" | "put" | "patch" | "delete";

/** What a handler is given: parsed, authenticated, allowed. */
export interface RouteRequest<Params = unknown, Query = unknown, Body = unknown> {
  readonly params: Params;
  readonly query: Query;
  readonly body: Body;
  /** Set for every route but public ones. */
  readonly actor: Actor;
  readonly origin: RequestOrigin;
  /** A request header, or undefined. */
  header(name: string): string | undefined;
  /** Aborted when the client is gone. */
  readonly signal: AbortSignal;
}

/** What a handler answers: a body to send as JSON, or a function that takes over the raw response. */
export interface RouteResponse {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  /** Streams (SSE, bytes) write themselves; the adapter sends nothing more. */
  readonly stream?: (request: IncomingMessage, response: ServerResponse) => Promise<void> | void;
}

/** What one status of a route means, for the OpenAPI document. */
export interface RouteAnswer {
  readonly description: string;
  readonly schema?: ZodType;
  readonly contentType?: string;
}

/** One row of the route table: the whole HTTP surface is an array of these. */
export interface RouteDefinition<Params = unknown, Query = unknown, Body = unknown> {
  readonly method: HttpMethod;
  /** Express path, `/api/v1/workflow-runs/:id`. */
  readonly path: string;
  /** Deny by default: a route without a permission cannot be written down. `public` asks for no token. */
  readonly permission: Permission | "authenticated" | "public";
  readonly summary: string;
  readonly tag: string;
  readonly params?: ZodType<Params>;
  readonly query?: ZodType<Query>;
  readonly body?: ZodType<Body>;
  /** Media types of the body besides JSON. YAML is parsed to the same shape before validation. */
  readonly accepts?: readonly ("application/json" | "application/yaml")[];
  readonly answers: Readonly<Record<number, RouteAnswer>>;
  handler(request: RouteRequest<Params, Query, Body>): Promise<RouteResponse>;
}

/** Writes a route down with its types inferred, then forgets them so that the table can hold it. */
export function defineRoute<Params, Query, Body>(
  route: RouteDefinition<Params, Query, Body>,
): RouteDefinition {
  return route as unknown as RouteDefinition;
}
