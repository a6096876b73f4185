import type { ServerResponse } from "node:http";
import type { ZodType } from "zod";
import {
  adviseConfigSchema,
  copilotAnswerSchema,
  type CopilotEvent,
  diagnoseRunSchema,
  generateWorkflowSchema,
  optimizeWorkflowSchema,
  repairSchemaSchema,
  writeSnippetSchema,
} from "../../contracts/api/copilot.js";
import type { Logger } from "../../observability/logger.js";
import type {
  Copilot,
  CopilotBodies,
  CopilotCallName,
  PreparedAnswer,
} from "../../services/copilot/copilot.js";
import { acceptsEventStream } from "../accepts-event-stream.js";
import { defineRoute, type RouteDefinition, type RouteRequest, type RouteResponse } from "../route.js";

const EVENT_STREAM = "text/event-stream";
const PING_MS = 15_000;

/** What the routes of the copilot call. */
export interface CopilotRouteDeps {
  readonly copilot: Copilot;
  readonly logger: Logger;
}

interface Call<Name extends CopilotCallName> {
  readonly name: Name;
  readonly summary: string;
  readonly body: ZodType<CopilotBodies[Name]>;
  readonly missing?: RouteDefinition["answers"];
}

/** The copilot. Its calls change nothing: they answer suggestions, all at once or as they come. */
export function copilotRoutes(deps: CopilotRouteDeps): RouteDefinition[] {
  return [
    toRoute(deps, {
      name: "workflow-optimization",
      summary:
        "What could be better about a workflow: by analysis of its definition and runs, and by a model",
      body: optimizeWorkflowSchema,
      missing: { 404: { description: "No such workflow" } },
    }),
    toRoute(deps, {
      name: "component-config",
      summary: "What could be better about a component's configuration",
      body: adviseConfigSchema,
    }),
    toRoute(deps, {
      name: "schema-repair",
      summary: "Mend a JSON Schema, or widen it so that it takes a sample",
      body: repairSchemaSchema,
    }),
    toRoute(deps, {
      name: "code-snippet",
      summary: "Code for a component: from the registry, from templates, and by a model",
      body: writeSnippetSchema,
    }),
    toRoute(deps, {
      name: "diagnose",
      summary: "Why a run failed, and what mends it",
      body: diagnoseRunSchema,
      missing: { 404: { description: "No such run" } },
    }),
    toRoute(deps, {
      name: "generate-workflow",
      summary: "A workflow that does what a prompt asks for, of the components that there are",
      body: generateWorkflowSchema,
    }),
  ];
}

function toRoute<Name extends CopilotCallName>(deps: CopilotRouteDeps, call: Call<Name>): RouteDefinition {
  const { name, summary, body, missing } = call;
  return defineRoute({
    method: "post",
    path: `/api/v1/copilot/${name}`,
    permission: "copilot:use",
    summary,
    tag: "Copilot",
    body,
    answers: {
      429: { description: "Asked too often; see Retry-After" },
      200: {
        description:
          "Suggestions; every patch, definition and configuration in them was found valid. With `Accept: text/event-stream` they come " +
          "as events: `suggestion`, `token` (prose of a model), `restart` (the tokens so far are void), `usage`, and last `end` " +
          "or `error`.",
        schema: copilotAnswerSchema,
      },
      ...missing,
    },
    async handler(request) {
      const prepared = await deps.copilot.prepare(name, request.body, request.actor);
      return wantsStream(request)
        ? streamed(deps, prepared, request.signal)
        : await whole(prepared, request.signal);
    },
  });
}

/** By name alone: who accepts anything gets JSON. */
function wantsStream({ header }: Pick<RouteRequest, "header">): boolean {
  const accept = header("accept") ?? "";
  return accept.toLowerCase().includes(EVENT_STREAM) && acceptsEventStream(accept);
}

async function whole(prepared: PreparedAnswer, signal: AbortSignal): Promise<RouteResponse> {
  try {
    return { status: 200, body: await prepared.answer(() => undefined, signal) };
  } catch (error) {
    // nobody is left to read it
    if (signal.aborted) return { status: 204 };
    throw error;
  }
}

function streamed(
  { logger }: CopilotRouteDeps,
  prepared: PreparedAnswer,
  signal: AbortSignal,
): RouteResponse {
  return {
    status: 200,
    headers: {
      "Content-Type": `${EVENT_STREAM}; charset=utf-8`,
      "Cache-Control": "no-cache, no-transform",
    },
    async stream(_request, response) {
      const ping = setInterval(() => response.write(": ping\n\n"), PING_MS);
      try {
        await prepared.answer((event) => send(response, event), signal);
      } catch (error) {
        if (signal.aborted) return;
        // the status is out: what went wrong is an event, without its details
        logger.error({ err: error }, "the copilot could not finish its answer");
        send(response, {
          type: "error",
          data: { status: 500, detail: "The copilot could not finish its answer." },
        });
      } finally {
        clearInterval(ping);
        response.end();
      }
    },
  };
}

function send(response: ServerResponse, { type, data }: CopilotEvent): void {
  response.write(`event: ${type}\ndata: ${JSON.stringify(data)}\n\n`);
}
