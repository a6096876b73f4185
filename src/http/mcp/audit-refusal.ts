import type { Knex } from "knex";
import type { AppError } from "../../errors/app-error.js";
import { canActor } from "../../services/access/assert-can.js";
import type { AuditLog } from "../../services/audit/audit-log.js";
import type { McpTool, ToolCall } from "./mcp-tool.js";

/** Leaves one audit entry of a change that was refused, as a refused request of the API does; of reads none. */
export async function auditRefusal(
  { audit, knex }: { readonly audit: AuditLog; readonly knex: Knex },
  { name, permission }: Pick<McpTool, "name" | "permission">,
  { actor, origin }: ToolCall,
  error: AppError,
): Promise<void> {
  const [noun = "", verb = ""] = permission.split(":");
  if (verb === "read" || verb === "validate") return;
  await audit.record(knex, {
    actor,
    origin,
    action: permission.replace(":", "."),
    entityType: noun,
    after: {
      request: `tools/call ${name}`,
      status: error.entry.status,
      isPermitted: canActor(actor, permission),
      faults: error.faults.slice(0, 20).map((fault) => fault.path),
    },
    outcome: error.entry.status === 403 ? "denied" : "failed",
  });
}
