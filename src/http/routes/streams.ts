import { idParamsSchema } from "../../contracts/api/common.js";
import { streamQuerySchema } from "../../contracts/api/runs.js";
import { AppError, invalidFields, notFound } from "../../errors/app-error.js";
import { parseResumeToken, parseSeq } from "../../streaming/resume-token.js";
import type { StreamHub } from "../../streaming/stream-hub.js";
import { acceptsEventStream } from "../accepts-event-stream.js";
import { defineRoute, type RouteDefinition, type RouteRequest } from "../route.js";

const TAG = "Runs";
const EVENT_STREAM = "text/event-stream";
const STREAM_HEADERS = {
  "Content-Type": `${EVENT_STREAM}; charset=utf-8`,
  "Cache-Control": "no-cache, no-transform",
};

/** The event streams. The adapter watches over the session behind an open stream. */
export function streamRoutes(deps: { readonly hub: StreamHub }): RouteDefinition[] {
  return [runStreamRoute(deps.hub), allRunsStreamRoute(deps.hub)];
}

function runStreamRoute(hub: StreamHub): RouteDefinition {
  return defineRoute({
    method: "get",
    path: "/api/v1/workflow-runs/:id/stream",
    permission: "run:read",
    summary:
      "Follow a run: every event from the start, or after Last-Event-ID, then live ones, until it has ended",
    tag: TAG,
    params: idParamsSchema,
    query: streamQuerySchema,
    answers: {
      200: {
        description:
          "Server-Sent Events: `id: <seq>`, `event: <type>`, `data: { seq, runId, type, at, stepId?, itemIndex?, attempt?, data }`; `event: end` after the run has ended.",
        contentType: EVENT_STREAM,
      },
      204: { description: "The run has ended, and the client has had all of it: do not reconnect." },
      404: { description: "No such run." },
      406: { description: "The client does not accept text/event-stream." },
      422: { description: "`Last-Event-ID` or `after` is no event number." },
    },
    async locate({ params }) {
      if ((await hub.judgeEntry(params.id, 0)) === "unknown") throw notFound("Run");
    },
    async handler(request) {
      assertAcceptable(request);
      const { text, path } = readLastEventId(request);
      const after = text === undefined ? 0 : parseSeq(text);
      if (after === undefined) throw invalidFields([{ path, message: "must be the number of an event" }]);
      const entry = await hub.judgeEntry(request.params.id, after);
      if (entry === "unknown") throw notFound("Run");
      if (entry === "ended") return { status: 204 };
      return {
        status: 200,
        headers: STREAM_HEADERS,
        stream: async (_request, response) => await hub.streamRun(request.params.id, after, response),
      };
    },
  });
}

function allRunsStreamRoute(hub: StreamHub): RouteDefinition {
  return defineRoute({
    method: "get",
    path: "/api/v1/stream",
    permission: "run:read",
    summary: "Follow all runs: their run.* events as they happen",
    tag: TAG,
    query: streamQuerySchema,
    answers: {
      200: {
        description:
          "Server-Sent Events as in a run's own stream, `run.*` only, from now on. `id` is an opaque token: sent back as `Last-Event-ID`, the stream goes on after that event. When another process answers then, run events of the two seconds before may come again; `runId` and `seq` tell them apart.",
        contentType: EVENT_STREAM,
      },
      406: { description: "The client does not accept text/event-stream." },
      422: { description: "`Last-Event-ID` or `after` is no token of this stream." },
    },
    async handler(request) {
      assertAcceptable(request);
      const { text, path } = readLastEventId(request);
      const after = text === undefined ? undefined : parseResumeToken(text);
      if (text !== undefined && !after)
        throw invalidFields([{ path, message: "is no token of this stream" }]);
      return {
        status: 200,
        headers: STREAM_HEADERS,
        stream: async (_request, response) => await hub.streamAllRuns(after, response),
      };
    },
  });
}

function assertAcceptable(request: Pick<RouteRequest, "header">): void {
  if (!acceptsEventStream(request.header("accept"))) {
    throw new AppError("NOT_ACCEPTABLE", "This is an event stream: accept text/event-stream");
  }
}

/** The header wins over the query; an empty one counts as none. */
function readLastEventId(
  request: Pick<RouteRequest<unknown, { after?: string | undefined }>, "header" | "query">,
) {
  const header = request.header("last-event-id");
  if (header !== undefined && header !== "") return { text: header, path: "/headers/Last-Event-ID" };
  return { text: request.query.after, path: "/after" };
}
