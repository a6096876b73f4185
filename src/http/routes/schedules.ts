import { nameOrIdParamsSchema } from "../../contracts/api/definition-fields.js";
import { runSchema } from "../../contracts/api/runs.js";
import {
  backfillAnswerSchema,
  backfillSchema,
  createScheduleSchema,
  listSchedulesSchema,
  schedulePageSchema,
  scheduleSchema,
  updateScheduleSchema,
} from "../../contracts/api/schedules.js";
import type { RunQueries } from "../../services/runs/run-queries.js";
import type { Schedules } from "../../services/scheduling/schedules.js";
import { parseIfMatch } from "../if-match.js";
import { defineRoute, type RouteDefinition } from "../route.js";

/** What the routes of schedules call. */
export interface ScheduleRouteDeps {
  readonly schedules: Schedules;
  readonly queries: Pick<RunQueries, "get">;
}

const TAG = "Schedules";
const PATH = "/api/v1/schedules";
const RUNS = "/api/v1/workflow-runs";

/** `/api/v1/schedules`: what starts runs by the clock. */
export function scheduleRoutes(deps: ScheduleRouteDeps): RouteDefinition[] {
  return [...readRoutes(deps), ...changeRoutes(deps), ...operateRoutes(deps), backfillRoute(deps)];
}

function readRoutes({ schedules }: ScheduleRouteDeps): RouteDefinition[] {
  return [
    defineRoute({
      method: "get",
      path: PATH,
      permission: "schedule:read",
      summary: "List schedules",
      tag: TAG,
      query: listSchedulesSchema,
      answers: { 200: { description: "One page", schema: schedulePageSchema } },
      handler: async ({ query }) => ({ status: 200, body: await schedules.list(query) }),
    }),
    defineRoute({
      method: "get",
      path: `${PATH}/:id`,
      permission: "schedule:read",
      summary: "Show a schedule with its next due times",
      tag: TAG,
      params: nameOrIdParamsSchema,
      answers: { 200: { description: "The schedule", schema: scheduleSchema } },
      handler: async ({ params }) => ({ status: 200, body: await schedules.get(params.id) }),
    }),
  ];
}

function changeRoutes({ schedules }: ScheduleRouteDeps): RouteDefinition[] {
  return [
    defineRoute({
      method: "post",
      path: PATH,
      permission: "schedule:write",
      summary: "Create a schedule",
      tag: TAG,
      body: createScheduleSchema,
      answers: {
        201: { description: "Created", schema: scheduleSchema },
        409: { description: "The name is taken" },
      },
      async handler({ body, actor, origin }) {
        const schedule = await schedules.create(body, { actor, origin });
        return { status: 201, headers: { Location: `${PATH}/${schedule.id}` }, body: schedule };
      },
    }),
    defineRoute({
      method: "patch",
      path: `${PATH}/:id`,
      permission: "schedule:write",
      summary: "Change a schedule; a changed timing counts from now on",
      tag: TAG,
      params: nameOrIdParamsSchema,
      body: updateScheduleSchema,
      answers: {
        200: { description: "Changed", schema: scheduleSchema },
        409: { description: "The name is taken" },
        412: { description: "Changed by somebody else since" },
      },
      locate: async ({ params }) => await schedules.get(params.id),
      async handler({ params, body, header, actor, origin }) {
        const revision = parseIfMatch(header("if-match"));
        return { status: 200, body: await schedules.update(params.id, body, revision, { actor, origin }) };
      },
    }),
    defineRoute({
      method: "delete",
      path: `${PATH}/:id`,
      permission: "schedule:write",
      summary: "Delete a schedule; its runs stay",
      tag: TAG,
      params: nameOrIdParamsSchema,
      answers: { 204: { description: "Deleted" } },
      async handler({ params, actor, origin }) {
        await schedules.remove(params.id, { actor, origin });
        return { status: 204 };
      },
    }),
  ];
}

function operateRoutes({ schedules, queries }: ScheduleRouteDeps): RouteDefinition[] {
  const one = {
    method: "post",
    permission: "schedule:operate",
    tag: TAG,
    params: nameOrIdParamsSchema,
  } as const;
  return [
    defineRoute({
      ...one,
      path: `${PATH}/:id/pause`,
      summary: "Pause a schedule: nothing is due, and what waits is dropped",
      answers: { 200: { description: "Paused, now or before", schema: scheduleSchema } },
      handler: async ({ params, actor, origin }) => ({
        status: 200,
        body: await schedules.pause(params.id, { actor, origin }),
      }),
    }),
    defineRoute({
      ...one,
      path: `${PATH}/:id/resume`,
      summary: "Resume a schedule: what was due meanwhile is not made up for",
      answers: { 200: { description: "Resumed, now or before", schema: scheduleSchema } },
      handler: async ({ params, actor, origin }) => ({
        status: 200,
        body: await schedules.resume(params.id, { actor, origin }),
      }),
    }),
    defineRoute({
      ...one,
      path: `${PATH}/:id/trigger`,
      summary: "Start a run of a schedule now, also while it is paused or an earlier run goes on",
      answers: {
        202: { description: "Accepted: the run, `trigger: manual`", schema: runSchema },
        409: { description: "The workflow is gone or has no published version" },
        422: { description: "The input no longer fits the workflow" },
      },
      async handler({ params, actor, origin }) {
        const { runId } = await schedules.trigger(params.id, { actor, origin });
        return { status: 202, headers: { Location: `${RUNS}/${runId}` }, body: await queries.get(runId) };
      },
    }),
  ];
}

function backfillRoute({ schedules }: ScheduleRouteDeps): RouteDefinition {
  return defineRoute({
    method: "post",
    path: `${PATH}/:id/backfill`,
    permission: "schedule:write",
    summary: "Start a run for each due time of a past span that has none, at most 1,000",
    tag: TAG,
    params: nameOrIdParamsSchema,
    body: backfillSchema,
    answers: {
      202: { description: "Accepted: the runs of the span", schema: backfillAnswerSchema },
      409: { description: "The workflow is gone or has no published version" },
      422: { description: "The span has more than 1,000 due times, or ends in the future" },
    },
    locate: async ({ params }) => await schedules.get(params.id),
    handler: async ({ params, body, actor, origin }) => ({
      status: 202,
      body: await schedules.backfill(params.id, body, { actor, origin }),
    }),
  });
}
