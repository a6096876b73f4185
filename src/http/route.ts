import type { IncomingMessage, ServerResponse } from "node:http";
import type { ZodType } from "zod";
import type { Actor, RequestOrigin } from "../core/actor.js";
import type { JsonObject } from "../core/json.js";
import type { Permission } from "../core/permissions.js";
import type { FieldFault } from "../errors/app-error.js";

/** The HTTP methods that routes use. */
export type HttpMethod = "get" | "post" | "put" | "patch" | "delete";

/** What a handler is given: parsed, authenticated, allowed. */
export interface RouteRequest<Params = unknown, Query = unknown, Body = unknown> {
  readonly params: Params;
  readonly query: Query;
  readonly body: Body;
  /** Who asks; for a public route always the nameless viewer. */
  readonly actor: Actor;
  /** The sign-in that the request came with; null for API keys and public routes. */
  readonly sessionId: string | null;
  readonly origin: RequestOrigin;
  /** A request header, or undefined. */
  header(name: string): string | undefined;
  /** Whether the client reached us over TLS, our proxies included. */
  readonly isSecure: boolean;
  /** For what the fields above do not hold. Never read its body: it has been read. */
  readonly raw: IncomingMessage;
  /** Aborted when the client is gone. */
  readonly signal: AbortSignal;
}

/** What is known before query and body are read. */
export type LocateRequest<Params = unknown> = Pick<RouteRequest<Params>, "params" | "actor" | "signal">;

/** What a handler answers: a body, or a function that takes over the raw response. */
export interface RouteResponse {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
  /** Sent as JSON; text or bytes are sent as they are when the headers name a `Content-Type`. */
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
  /**
   * Faults in those parts of a body that its schema leaves open, when the schema has refused others: the handler, which
   * judges them else, is not reached then. Without effects.
   */
  judgeFurther?(body: JsonObject): Promise<readonly FieldFault[]>;
  /** The handler gets the body's bytes, of any media type, in place of a parsed value (signed webhooks). */
  readonly rawBody?: boolean;
  /** A refusal for want of a token names the metadata of this protected resource (RFC 9728): a path. */
  readonly resourceMetadata?: string;
  /** Left out of the OpenAPI document: pages and their files. */
  readonly hidden?: boolean;
  readonly answers: Readonly<Record<number, RouteAnswer>>;
  /**
   * Throws NOT_FOUND when the path names nothing. It runs before query and body are judged,
   * so that an unknown id is a 404 however faulty the rest is.
   */
  locate?(request: LocateRequest<Params>): Promise<unknown>;
  handler(request: RouteRequest<Params, Query, Body>): Promise<RouteResponse>;
}

/** Writes a route down with its types inferred, then forgets them so that the table can hold it. */
export function defineRoute<Params, Query, Body>(
  route: RouteDefinition<Params, Query, Body>,
): RouteDefinition {
  return route as unknown as RouteDefinition;
}
