import type { IncomingMessage } from "node:http";
import {
  hookFilteredSchema,
  hookParamsSchema,
  hookQuerySchema,
  type HookRun,
  hookRunSchema,
} from "../../contracts/api/webhooks.js";
import type { JsonValue } from "../../core/json.js";
import { isRunTerminal } from "../../core/statuses.js";
import { AppError, invalidFields } from "../../errors/app-error.js";
import type { RunQueries } from "../../services/runs/run-queries.js";
import type { DeliveryReceiver, Receipt } from "../../services/webhooks/receive-deliveries.js";
import type { StreamHub } from "../../streaming/stream-hub.js";
import { parseBody } from "../parse-body.js";
import { findUnfitValues } from "../parse-json.js";
import { defineRoute, type RouteDefinition, type RouteResponse } from "../route.js";

/** What the route of deliveries calls. */
export interface HookRouteDeps {
  readonly receiver: DeliveryReceiver;
  readonly queries: Pick<RunQueries, "get">;
  readonly hub: Pick<StreamHub, "waitForRun">;
}

/** `POST /hooks/{token}`: public, the token and the signature are what it goes by. */
export function hookRoutes(deps: HookRouteDeps): RouteDefinition[] {
  return [
    defineRoute<{ token: string }, Record<string, string | string[]>, Buffer>({
      method: "post",
      path: "/hooks/:token",
      permission: "public",
      summary: "Deliver to a webhook: JSON, signed if the webhook has a secret; starts a run",
      tag: "Webhooks",
      params: hookParamsSchema,
      query: hookQuerySchema,
      rawBody: true,
      answers: {
        202: {
          description:
            "A run was started; or, with `accepted: false`, the webhook's filter left the delivery out.",
          schema: hookRunSchema.or(hookFilteredSchema),
        },
        200: {
          description:
            "The run has ended (mode `wait`), or is the one that this delivery has started before " +
            "(`Idempotency-Replayed: true`).",
          schema: hookRunSchema,
        },
        401: { description: "The signature is missing, too old, or not that of this body." },
        409: { description: "The webhook's workflow has nothing that can be run." },
      },
      locate: async ({ params }) => await deps.receiver.assertOpen(params.token),
      async handler({ params, query, body, raw, origin, signal }) {
        const receipt = await deps.receiver.receive({
          token: params.token,
          bytes: body,
          parseBody: async () => await parseDelivery(raw, body),
          headers: readHeaders(raw),
          query,
          origin,
        });
        return await presentReceipt(deps, receipt, signal);
      },
    }),
  ];
}

/** A body that was neither sent nor announced is an empty object: some senders only ring. */
async function parseDelivery(request: IncomingMessage, bytes: Buffer): Promise<JsonValue> {
  if (bytes.length === 0 && request.headers["content-type"] === undefined) return {};
  const body = (await parseBody(request, bytes, ["application/json"])) as JsonValue | undefined;
  if (body === undefined) throw new AppError("MALFORMED_JSON", "The body is empty");
  const unfit = findUnfitValues(body);
  if (unfit.length > 0) throw invalidFields(unfit);
  return body;
}

function readHeaders(request: IncomingMessage): Record<string, string> {
  return Object.fromEntries(
    Object.entries(request.headers).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, typeof value === "string" ? value : value.join(", ")]],
    ),
  );
}

async function presentReceipt(
  deps: HookRouteDeps,
  receipt: Receipt,
  signal: AbortSignal,
): Promise<RouteResponse> {
  if (receipt.kind === "filtered") return { status: 202, body: { accepted: false, reason: "filtered" } };
  const { runId, replayed, mode, waitSeconds } = receipt;
  const headers = {
    Location: `/api/v1/workflow-runs/${runId}`,
    ...(replayed ? { "Idempotency-Replayed": "true" } : {}),
  };
  if (mode === "accepted") {
    const body: HookRun = { accepted: true, runId };
    return { status: replayed ? 200 : 202, headers, body };
  }
  await deps.hub.waitForRun(runId, waitSeconds * 1000, signal);
  const { status, output, outputArtifact, error } = await deps.queries.get(runId);
  if (!isRunTerminal(status)) {
    const body: HookRun = { accepted: true, runId, status };
    return { status: 202, headers, body };
  }
  const ended = { output, error, ...(outputArtifact ? { outputArtifact } : {}) };
  const body: HookRun = { accepted: true, runId, status, ...ended };
  return { status: 200, headers, body };
}
