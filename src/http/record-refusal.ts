import type { Request } from "express";
import type { Knex } from "knex";
import { AppError } from "../errors/app-error.js";
import { canActor } from "../services/access/assert-can.js";
import type { AuditLog } from "../services/audit/audit-log.js";
import type { Principal } from "../services/auth/principals.js";
import { contextOf } from "./request-context.js";
import type { RouteDefinition } from "./route.js";

const REFUSALS = new Map([
  [403, "denied"],
  [404, "failed"],
  [409, "failed"],
  [412, "failed"],
  [422, "failed"],
] as const);
/** They change nothing, though they are POSTs. */
const HARMLESS = new Set(["definition:validate", "copilot:use"]);

/** Leaves one audit entry of a change that was refused; of reads, and of strangers, none. */
export async function recordRefusal(
  route: RouteDefinition,
  deps: { readonly audit: AuditLog; readonly knex: Knex },
  request: Request,
  principal: Principal,
  error: unknown,
): Promise<void> {
  const { permission } = route;
  if (!(error instanceof AppError) || request.method === "GET" || request.method === "HEAD") return;
  if (permission === "public" || HARMLESS.has(permission)) return;
  const outcome = REFUSALS.get(error.entry.status as 403);
  if (!outcome) return;
  const isNamed = permission !== "authenticated";
  const [noun = "", verb = ""] = isNamed ? permission.split(":") : ["session", request.method.toLowerCase()];
  const id = request.params["id"] ?? request.params["name"];
  await deps.audit.record(deps.knex, {
    actor: principal.actor,
    origin: contextOf(request).origin,
    action: `${noun}.${verb}`,
    entityType: noun.replaceAll("-", "_"),
    ...(typeof id === "string" ? { entityId: id } : {}),
    after: {
      request: `${request.method} ${route.path}`,
      status: error.entry.status,
      isPermitted: !isNamed || canActor(principal.actor, permission),
      faults: error.faults.slice(0, 20).map((fault) => fault.path),
    },
    outcome,
  });
}
