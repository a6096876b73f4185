import { nameOrIdParamsSchema } from "../../contracts/api/definition-fields.js";
import { workflowSchema } from "../../contracts/api/workflow-definitions.js";
import type { WorkflowDefinitions } from "../../services/workflow-definitions/workflow-definitions.js";
import type { WorkflowPauses } from "../../services/workflow-definitions/workflow-pauses.js";
import { defineRoute, type RouteDefinition } from "../route.js";

const PATH = "/api/v1/workflow-definitions/:id";

/** `…/workflow-definitions/{id}/pause` and `…/resume`. */
export function workflowPauseRoutes(deps: {
  readonly pauses: WorkflowPauses;
  readonly workflows: Pick<WorkflowDefinitions, "get">;
}): RouteDefinition[] {
  const { pauses, workflows } = deps;
  const shared = {
    method: "post",
    permission: "schedule:operate",
    tag: "Workflows",
    params: nameOrIdParamsSchema,
  } as const;
  return [
    defineRoute({
      ...shared,
      path: `${PATH}/pause`,
      summary: "Hold new runs of a workflow back; runs that have begun go on",
      answers: { 200: { description: "Paused, now or before", schema: workflowSchema } },
      async handler({ params, actor, origin }) {
        await pauses.pause(params.id, { actor, origin });
        return { status: 200, body: await workflows.get(params.id) };
      },
    }),
    defineRoute({
      ...shared,
      path: `${PATH}/resume`,
      summary: "Let the held runs of a workflow begin, as far as its limits allow",
      answers: { 200: { description: "Not paused any more", schema: workflowSchema } },
      async handler({ params, actor, origin }) {
        await pauses.resume(params.id, { actor, origin });
        return { status: 200, body: await workflows.get(params.id) };
      },
    }),
  ];
}
