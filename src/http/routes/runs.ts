import { createHash } from "node:crypto";
import { idParamsSchema } from "../../contracts/api/common.js";
import {
  runGraphSchema,
  runListQuerySchema,
  runLogPageSchema,
  runLogsQuerySchema,
  runPageSchema,
  runSchema,
  startRunQuerySchema,
  startRunSchema,
  stepListQuerySchema,
  stepRunPageSchema,
  testRunSchema,
  versionIdParamsSchema,
} from "../../contracts/api/runs.js";
import { toCanonicalJson } from "../../core/canonical-json.js";
import { invalidFields } from "../../errors/app-error.js";
import type { RunCommands } from "../../services/runs/run-commands.js";
import type { RunQueries } from "../../services/runs/run-queries.js";
import type { StreamHub } from "../../streaming/stream-hub.js";
import { defineRoute, type RouteDefinition } from "../route.js";

/** What the routes of runs call. */
export interface RunRouteDeps {
  readonly commands: RunCommands;
  readonly queries: RunQueries;
  readonly hub: Pick<StreamHub, "waitForRun">;
}

const TAG = "Runs";
const RUNS = "/api/v1/workflow-runs";
const IDEMPOTENCY_KEY = /^[\x20-\x7e]{1,255}$/;
const UNKNOWN = { 404: { description: "No such run." } };

/** Starting, cancelling and reading runs. */
export function runRoutes(deps: RunRouteDeps): RouteDefinition[] {
  return [startRoute(deps), testRoute(deps), cancelRoute(deps), ...readRoutes(deps.queries)];
}

function startRoute(deps: RunRouteDeps): RouteDefinition {
  return defineRoute({
    method: "post",
    path: RUNS,
    permission: "run:start",
    summary: "Start a run; with an Idempotency-Key at most once in 24 hours per caller and workflow",
    tag: TAG,
    query: startRunQuerySchema,
    body: startRunSchema,
    answers: {
      202: {
        description: "Accepted: the run, ended or as it stands when `wait` is over.",
        schema: runSchema,
      },
      200: {
        description: "`Idempotency-Replayed: true`: the run that this key has started before.",
        schema: runSchema,
      },
      404: { description: "No such workflow or version." },
      422: {
        description: "Faults in the body, in the input by the workflow's schema, or in `Idempotency-Key`.",
      },
    },
    async handler({ body, query, header, actor, origin, signal }) {
      const idempotencyKey = header("idempotency-key");
      assertIdempotencyKey(idempotencyKey);
      const bodyHash = createHash("sha256").update(toCanonicalJson(body)).digest("hex");
      const command = { ...body, idempotencyKey, trigger: "api" as const, bodyHash };
      const { runId, replayed } = await deps.commands.start(command, actor, origin);
      if (query.wait > 0) await deps.hub.waitForRun(runId, query.wait * 1000, signal);
      return {
        status: replayed ? 200 : 202,
        headers: { Location: `${RUNS}/${runId}`, ...(replayed ? { "Idempotency-Replayed": "true" } : {}) },
        body: await deps.queries.get(runId),
      };
    },
  });
}

function assertIdempotencyKey(key: string | undefined): void {
  if (key === undefined || IDEMPOTENCY_KEY.test(key)) return;
  throw invalidFields([
    { path: "/headers/Idempotency-Key", message: "must be 1 to 255 printable ASCII characters" },
  ]);
}

function testRoute(deps: RunRouteDeps): RouteDefinition {
  return defineRoute({
    method: "post",
    path: "/api/v1/mcp-versions/:versionId/test",
    permission: "run:start",
    summary: "Run one MCP version by itself",
    tag: "MCPs",
    params: versionIdParamsSchema,
    body: testRunSchema,
    answers: {
      202: { description: "Accepted: a run of one step, `trigger: test`.", schema: runSchema },
      404: { description: "No such version." },
      422: { description: "Faults in the body, or in the inputs by the version's schema." },
    },
    locate: async ({ params }) => await deps.queries.assertVersionExists(params.versionId),
    async handler({ params, body, actor, origin }) {
      const { runId } = await deps.commands.startTest(params.versionId, body.inputs, actor, origin);
      return { status: 202, headers: { Location: `${RUNS}/${runId}` }, body: await deps.queries.get(runId) };
    },
  });
}

function cancelRoute(deps: RunRouteDeps): RouteDefinition {
  return defineRoute({
    method: "post",
    path: `${RUNS}/:id/cancel`,
    permission: "run:cancel",
    summary: "Cancel a run: running steps are killed with their whole process tree",
    tag: TAG,
    params: idParamsSchema,
    answers: {
      202: { description: "Accepted: the run.", schema: runSchema },
      ...UNKNOWN,
      409: { description: "The run has ended." },
    },
    locate: async ({ params }) => await deps.queries.assertExists(params.id),
    async handler({ params, actor, origin }) {
      await deps.commands.cancel(params.id, actor, origin);
      return {
        status: 202,
        headers: { Location: `${RUNS}/${params.id}` },
        body: await deps.queries.get(params.id),
      };
    },
  });
}

function readRoutes(queries: RunQueries): RouteDefinition[] {
  const one = { method: "get", permission: "run:read", tag: TAG, params: idParamsSchema } as const;
  const locate = async ({ params }: { params: { id: string } }) => await queries.assertExists(params.id);
  return [
    defineRoute({
      method: "get",
      path: RUNS,
      permission: "run:read",
      summary: "List runs, newest first",
      tag: TAG,
      query: runListQuerySchema,
      answers: { 200: { description: "One page.", schema: runPageSchema } },
      handler: async ({ query }) => ({ status: 200, body: await queries.list(query, query) }),
    }),
    defineRoute({
      ...one,
      path: `${RUNS}/:id`,
      summary: "One run with its input and output",
      answers: { 200: { description: "The run.", schema: runSchema }, ...UNKNOWN },
      handler: async ({ params }) => ({ status: 200, body: await queries.get(params.id) }),
    }),
    defineRoute({
      ...one,
      path: `${RUNS}/:id/steps`,
      summary: "Every step of a run, in the order of the definition, with all attempts and what it waits for",
      query: stepListQuerySchema,
      answers: { 200: { description: "The step runs.", schema: stepRunPageSchema }, ...UNKNOWN },
      locate,
      handler: async ({ params, query }) => ({ status: 200, body: await queries.steps(params.id, query) }),
    }),
    defineRoute({
      ...one,
      path: `${RUNS}/:id/logs`,
      summary: "Log lines of a run, oldest first",
      query: runLogsQuerySchema,
      answers: {
        200: { description: "One page; none for an unknown step.", schema: runLogPageSchema },
        ...UNKNOWN,
      },
      locate,
      handler: async ({ params, query }) => ({
        status: 200,
        body: await queries.logs(params.id, query, query),
      }),
    }),
    defineRoute({
      ...one,
      path: `${RUNS}/:id/graph`,
      summary: "The run's dependency graph with the state of each step",
      answers: { 200: { description: "Nodes and edges.", schema: runGraphSchema }, ...UNKNOWN },
      handler: async ({ params }) => ({ status: 200, body: await queries.graph(params.id) }),
    }),
  ];
}
