import { nameOrIdParamsSchema } from "../../contracts/api/definition-fields.js";
import {
  createWorkflowSchema,
  listWorkflowsSchema,
  listWorkflowVersionsSchema,
  updateWorkflowSchema,
  validateWorkflowSchema,
  workflowGraphSchema,
  workflowPageSchema,
  workflowSchema,
  workflowValidationSchema,
  workflowVersionPageSchema,
  workflowVersionParamsSchema,
  workflowVersionSchema,
} from "../../contracts/api/workflow-definitions.js";
import { isJsonObject, type JsonObject } from "../../core/json.js";
import type { FieldFault } from "../../errors/app-error.js";
import type { WorkflowDefinitions } from "../../services/workflow-definitions/workflow-definitions.js";
import { parseIfMatch } from "../if-match.js";
import { defineRoute, type RouteDefinition } from "../route.js";

const TAG = "Workflows";
const PATH = "/api/v1/workflow-definitions";
const JSON_OR_YAML = ["application/json", "application/yaml"] as const;

/** `/api/v1/workflow-definitions`: workflows, their versions, validation and graphs. */
export function workflowDefinitionRoutes(deps: {
  readonly workflows: WorkflowDefinitions;
}): RouteDefinition[] {
  const { workflows } = deps;
  return [
    ...validationRoutes(workflows),
    ...workflowReadRoutes(workflows),
    ...workflowChangeRoutes(workflows),
    ...versionRoutes(workflows),
  ];
}

function validationRoutes(workflows: WorkflowDefinitions): RouteDefinition[] {
  return [
    defineRoute({
      method: "post",
      path: `${PATH}/validate`,
      permission: "definition:validate",
      summary: "Judge a definition without storing or running anything",
      tag: TAG,
      body: validateWorkflowSchema,
      accepts: JSON_OR_YAML,
      answers: { 200: { description: "The verdict, good or bad", schema: workflowValidationSchema } },
      handler: async ({ body }) => ({ status: 200, body: await workflows.validate(body.definition) }),
    }),
  ];
}

function workflowReadRoutes(workflows: WorkflowDefinitions): RouteDefinition[] {
  return [
    defineRoute({
      method: "get",
      path: PATH,
      permission: "definition:read",
      summary: "List workflows",
      tag: TAG,
      query: listWorkflowsSchema,
      answers: { 200: { description: "One page", schema: workflowPageSchema } },
      handler: async ({ query }) => ({ status: 200, body: await workflows.list(query) }),
    }),
    defineRoute({
      method: "get",
      path: `${PATH}/:id`,
      permission: "definition:read",
      summary: "Show a workflow with its latest definition",
      tag: TAG,
      params: nameOrIdParamsSchema,
      answers: { 200: { description: "The workflow", schema: workflowSchema } },
      handler: async ({ params }) => ({ status: 200, body: await workflows.get(params.id) }),
    }),
    defineRoute({
      method: "get",
      path: `${PATH}/:id/graph`,
      permission: "definition:read",
      summary: "Show the dependency graph of a workflow",
      tag: TAG,
      params: nameOrIdParamsSchema,
      answers: {
        200: { description: "Of the published version, else of the latest", schema: workflowGraphSchema },
      },
      handler: async ({ params }) => ({ status: 200, body: await workflows.getGraph(params.id) }),
    }),
  ];
}

function workflowChangeRoutes(workflows: WorkflowDefinitions): RouteDefinition[] {
  const judgeFurther = async ({ definition }: JsonObject): Promise<FieldFault[]> => {
    if (!isJsonObject(definition)) return [];
    const { errors } = await workflows.validate(definition);
    return errors.map(({ path, message }) => ({ path: `/definition${path}`, message }));
  };
  return [
    defineRoute({
      method: "post",
      path: PATH,
      permission: "definition:write",
      summary: "Create a workflow",
      tag: TAG,
      body: createWorkflowSchema,
      judgeFurther,
      accepts: JSON_OR_YAML,
      answers: {
        201: { description: "Created", schema: workflowSchema },
        409: { description: "The name is taken" },
      },
      async handler({ body, actor, origin }) {
        const workflow = await workflows.create(body, { actor, origin });
        return { status: 201, headers: { Location: `${PATH}/${workflow.id}` }, body: workflow };
      },
    }),
    defineRoute({
      method: "patch",
      path: `${PATH}/:id`,
      permission: "definition:write",
      summary: "Change a workflow; a changed definition makes a new version",
      tag: TAG,
      params: nameOrIdParamsSchema,
      body: updateWorkflowSchema,
      judgeFurther,
      accepts: JSON_OR_YAML,
      answers: {
        200: { description: "Changed", schema: workflowSchema },
        412: { description: "Changed by somebody else since" },
      },
      locate: async ({ params }) => await workflows.get(params.id),
      async handler({ params, body, header, actor, origin }) {
        const revision = parseIfMatch(header("if-match"));
        return { status: 200, body: await workflows.update(params.id, body, revision, { actor, origin }) };
      },
    }),
    defineRoute({
      method: "delete",
      path: `${PATH}/:id`,
      permission: "definition:write",
      summary: "Delete a workflow; its runs stay",
      tag: TAG,
      params: nameOrIdParamsSchema,
      answers: { 204: { description: "Deleted" } },
      async handler({ params, actor, origin }) {
        await workflows.remove(params.id, { actor, origin });
        return { status: 204 };
      },
    }),
  ];
}

function versionRoutes(workflows: WorkflowDefinitions): RouteDefinition[] {
  return [
    defineRoute({
      method: "get",
      path: `${PATH}/:id/versions`,
      permission: "definition:read",
      summary: "List the versions of a workflow",
      tag: TAG,
      params: nameOrIdParamsSchema,
      query: listWorkflowVersionsSchema,
      answers: { 200: { description: "One page", schema: workflowVersionPageSchema } },
      locate: async ({ params }) => await workflows.get(params.id),
      handler: async ({ params, query }) => ({
        status: 200,
        body: await workflows.listVersions(params.id, query),
      }),
    }),
    defineRoute({
      method: "get",
      path: `${PATH}/:id/versions/:n`,
      permission: "definition:read",
      summary: "Show a version of a workflow",
      tag: TAG,
      params: workflowVersionParamsSchema,
      answers: { 200: { description: "The version", schema: workflowVersionSchema } },
      handler: async ({ params }) => ({ status: 200, body: await workflows.getVersion(params.id, params.n) }),
    }),
    defineRoute({
      method: "post",
      path: `${PATH}/:id/versions/:n/publish`,
      permission: "definition:write",
      summary: "Make a version the one that runs take",
      tag: TAG,
      params: workflowVersionParamsSchema,
      answers: { 200: { description: "Published, now or before", schema: workflowSchema } },
      async handler({ params, actor, origin }) {
        return { status: 200, body: await workflows.publish(params.id, params.n, { actor, origin }) };
      },
    }),
  ];
}
