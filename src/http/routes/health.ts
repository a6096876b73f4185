import { z } from "zod";
import type { Readiness } from "../../services/health/readiness.js";
import { defineRoute, type RouteDefinition } from "../route.js";

const TAG = "Operations";

const readinessSchema = z
  .object({
    ready: z.boolean(),
    checks: z.array(
      z.object({ name: z.string(), ok: z.boolean(), latencyMs: z.int(), reason: z.string().optional() }),
    ),
    missing: z.array(z.string()),
    sandbox: z.json().optional().meta({ description: "How well user code is isolated here." }),
  })
  .meta({ id: "Readiness" });

/** `/health/live` and `/health/ready`: public, matched exactly. `describeSandbox` is what readiness tells of isolation. */
export function healthRoutes(deps: {
  readonly readiness: () => Promise<Readiness>;
  readonly describeSandbox?: () => unknown;
}): RouteDefinition[] {
  return [
    defineRoute({
      method: "get",
      path: "/health/live",
      permission: "public",
      summary: "Whether this process runs",
      tag: TAG,
      answers: { 200: { description: "It runs", schema: z.object({ status: z.literal("ok") }) } },
      handler: () => Promise.resolve({ status: 200, body: { status: "ok" } }),
    }),
    defineRoute({
      method: "get",
      path: "/health/ready",
      permission: "public",
      summary: "Whether this process can do its work, and what is missing",
      tag: TAG,
      answers: {
        200: { description: "Ready", schema: readinessSchema },
        503: { description: "Not ready: `missing` names what", schema: readinessSchema },
      },
      async handler() {
        const readiness = await deps.readiness();
        const sandbox = deps.describeSandbox?.();
        const body = { ...readiness, ...(sandbox === undefined ? {} : { sandbox }) };
        return { status: readiness.ready ? 200 : 503, body };
      },
    }),
  ];
}
