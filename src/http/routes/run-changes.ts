import { idParamsSchema } from "../../contracts/api/common.js";
import {
  decideStepSchema,
  replayRunSchema,
  rerunRunSchema,
  runStepParamsSchema,
} from "../../contracts/api/run-changes.js";
import { runSchema } from "../../contracts/api/runs.js";
import type { RunCommands } from "../../services/runs/run-commands.js";
import type { RunPins } from "../../services/runs/run-pins.js";
import type { RunQueries } from "../../services/runs/run-queries.js";
import { defineRoute, type RouteDefinition } from "../route.js";

/** What the routes that change runs call. */
export interface RunChangeRouteDeps {
  readonly commands: Pick<RunCommands, "rerun" | "decide">;
  readonly queries: Pick<RunQueries, "assertExists" | "get">;
  readonly pins: RunPins;
}

const TAG = "Runs";
const RUNS = "/api/v1/workflow-runs";
const UNKNOWN = { 404: { description: "No such run." } };

/** Running again, deciding approvals, pinning. */
export function runChangeRoutes(deps: RunChangeRouteDeps): RouteDefinition[] {
  return [
    rerunRoute(deps),
    replayRoute(deps),
    decideRoute(deps, "approve"),
    decideRoute(deps, "reject"),
    pinRoute(deps, "pin"),
    pinRoute(deps, "unpin"),
  ];
}

const again = { method: "post", permission: "run:start", tag: TAG, params: idParamsSchema } as const;
const againAnswers = {
  202: { description: "Accepted: the new run.", schema: runSchema },
  ...UNKNOWN,
  409: { description: "The run goes on." },
};

function rerunRoute({ commands, queries }: RunChangeRouteDeps): RouteDefinition {
  return defineRoute({
    ...again,
    path: `${RUNS}/:id/rerun`,
    summary: "Start a new run of an ended one: what succeeded before is reused, not executed again",
    body: rerunRunSchema,
    answers: {
      ...againAnswers,
      422: { description: "No such step or version, or an input that does not fit." },
    },
    locate: async ({ params }) => await queries.assertExists(params.id),
    async handler({ params, body, actor, origin }) {
      const { runId } = await commands.rerun(params.id, body, actor, origin);
      return { status: 202, headers: { Location: `${RUNS}/${runId}` }, body: await queries.get(runId) };
    },
  });
}

function replayRoute({ commands, queries }: RunChangeRouteDeps): RouteDefinition {
  return defineRoute({
    ...again,
    path: `${RUNS}/:id/replay`,
    summary: "Start a new run with the input of an ended one; nothing is reused",
    body: replayRunSchema,
    answers: { ...againAnswers, 422: { description: "No such version, or an input that does not fit." } },
    locate: async ({ params }) => await queries.assertExists(params.id),
    async handler({ params, body, actor, origin }) {
      const { runId } = await commands.rerun(params.id, { ...body, from: "start" }, actor, origin);
      return { status: 202, headers: { Location: `${RUNS}/${runId}` }, body: await queries.get(runId) };
    },
  });
}

function decideRoute(deps: RunChangeRouteDeps, decision: "approve" | "reject"): RouteDefinition {
  const { commands, queries } = deps;
  return defineRoute({
    method: "post",
    path: `${RUNS}/:id/steps/:stepId/${decision}`,
    permission: "run:approve",
    summary: decision === "approve" ? "Approve a waiting approval" : "Reject a waiting approval",
    tag: TAG,
    params: runStepParamsSchema,
    body: decideStepSchema,
    answers: {
      200: { description: "The run.", schema: runSchema },
      404: { description: "No such run or step." },
      409: { description: "Nothing waits there, or you have decided already." },
      422: { description: "The values do not fit the approval's form." },
    },
    locate: async ({ params }) => await queries.assertExists(params.id),
    async handler({ params, body, actor, origin }) {
      await commands.decide(params.id, params.stepId, { ...body, decision }, actor, origin);
      return { status: 200, body: await queries.get(params.id) };
    },
  });
}

function pinRoute({ pins, queries }: RunChangeRouteDeps, change: "pin" | "unpin"): RouteDefinition {
  return defineRoute({
    method: "post",
    path: `${RUNS}/:id/${change}`,
    permission: "run:cancel",
    summary:
      change === "pin"
        ? "Pin a run: retention leaves it alone, with the runs that it has started"
        : "Unpin a run: it goes when its time has come",
    tag: TAG,
    params: idParamsSchema,
    answers: { 200: { description: "The run.", schema: runSchema }, ...UNKNOWN },
    locate: async ({ params }) => await queries.assertExists(params.id),
    async handler({ params, actor, origin }) {
      await pins[change](params.id, actor, origin);
      return { status: 200, body: await queries.get(params.id) };
    },
  });
}
