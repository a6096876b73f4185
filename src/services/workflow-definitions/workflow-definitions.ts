import type { Knex } from "knex";
import type {
  CreateWorkflow,
  ListWorkflows,
  UpdateWorkflow,
  Workflow,
  WorkflowSummary,
  WorkflowValidation,
  WorkflowVersion,
} from "../../contracts/api/workflow-definitions.js";
import type { Actor, By } from "../../core/actor.js";
import { toCanonicalJson } from "../../core/canonical-json.js";
import { newId } from "../../core/ids.js";
import { buildPlanGraph, type WorkflowGraph } from "../../core/workflow-graph.js";
import { conflict, type FieldFault, invalidFields, notFound } from "../../errors/app-error.js";
import type { Db, Page, PageRequest } from "../../models/repository.js";
import type { WorkflowDefinitionModel } from "../../models/workflow-definition-model.js";
import { WorkflowVersionModel } from "../../models/workflow-version-model.js";
import { createOutgoingGuard } from "../../outgoing/outgoing-guard.js";
import type { AuditLog } from "../audit/audit-log.js";
import { isForeignKeyViolation, isUniqueViolation } from "../database-conflicts.js";
import { checkDefinition, type CompiledDefinition, type DefinitionCheckDeps } from "./check-definition.js";
import type { OwnWorkflow } from "./judge-nesting.js";
import { STEP_LISTS } from "./parse-definition.js";
import { presentWorkflow, presentWorkflowVersion } from "./present-workflow.js";
import { createRunnableLookup } from "./runnable-lookup.js";
import { ensureTestVersion, type RunnableVersion, resolveRunnable } from "./runnable-versions.js";
import { storeVersion } from "./store-version.js";
import {
  getVersionByNumber,
  getWorkflowByNameOrId,
  listWorkflows,
  workflows,
  workflowVersions,
} from "./workflow-queries.js";
import { assertWorkflowUnused, dropOrphanedUses } from "./workflow-users.js";

/** Workflows and their versions. Every change stands or falls with its audit entry. */
export interface WorkflowDefinitions {
  list(filter: ListWorkflows): Promise<Page<WorkflowSummary>>;
  /** With the definition of the latest version. @throws AppError NOT_FOUND */
  get(nameOrId: string): Promise<Workflow>;
  /** @throws AppError INVALID_FIELDS with every fault, under `/definition`; CONFLICT when the name is taken. */
  create(body: CreateWorkflow, by: By): Promise<Workflow>;
  /**
   * A changed definition makes a new version. @throws AppError NOT_FOUND; INVALID_FIELDS; REVISION_STALE when
   * `revision` is given and is not the stored one.
   */
  update(nameOrId: string, body: UpdateWorkflow, revision: number | undefined, by: By): Promise<Workflow>;
  /** Its runs keep their versions to the end. @throws AppError NOT_FOUND; CONFLICT while other workflows use it. */
  remove(nameOrId: string, by: By): Promise<void>;
  listVersions(nameOrId: string, page: PageRequest): Promise<Page<WorkflowVersion>>;
  /** @throws AppError NOT_FOUND */
  getVersion(nameOrId: string, version: number): Promise<WorkflowVersion>;
  /** Makes a version the one that runs take; doing it twice is harmless. @throws AppError NOT_FOUND */
  publish(nameOrId: string, version: number, by: By): Promise<Workflow>;
  /** Judges a definition and executes nothing; pointers are relative to it. */
  validate(definition: unknown): Promise<WorkflowValidation>;
  /** Of the published version, else of the latest. @throws AppError NOT_FOUND */
  getGraph(nameOrId: string): Promise<WorkflowGraph>;
  /** @throws AppError NOT_FOUND; FORBIDDEN for a draft; CONFLICT when nothing is published. */
  resolveForRun(nameOrId: string, version: number | undefined, actor: Actor): Promise<RunnableVersion>;
  /** @throws AppError NOT_FOUND */
  ensureTestVersion(mcpVersionId: string): Promise<RunnableVersion>;
}

/** The dependencies of the workflow service. */
export interface WorkflowDefinitionsDeps extends Omit<DefinitionCheckDeps, "outgoing"> {
  readonly knex: Knex;
  readonly audit: AuditLog;
  /** The setting `ALLOWED_HOSTS_PRIVATE`: private hosts that `builtin:http` may call. */
  readonly allowedPrivateHosts?: readonly string[];
}

type Deps = WorkflowDefinitionsDeps & DefinitionCheckDeps;

/** Makes the service over a database. */
export function createWorkflowDefinitions(given: WorkflowDefinitionsDeps): WorkflowDefinitions {
  const { allowedPrivateHosts = [] } = given;
  const outgoing = createOutgoingGuard({ allowedPrivateHosts });
  const deps: Deps = { ...given, outgoing };
  const { knex } = deps;
  const lookUp = createRunnableLookup(knex);
  return {
    list: async (filter) => await listWorkflows(knex, filter),
    get: async (nameOrId) => await present(knex, await getWorkflowByNameOrId(knex, nameOrId)),
    create: async (body, by) => await createWorkflow(deps, body, by),
    update: async (nameOrId, body, revision, by) => await updateWorkflow(deps, nameOrId, body, revision, by),
    remove: async (nameOrId, by) => await removeWorkflow(deps, nameOrId, by),
    async listVersions(nameOrId, page) {
      const workflow = await getWorkflowByNameOrId(knex, nameOrId);
      const found = await workflowVersions.listPage(knex, page, (query) => {
        void query.where("workflow_definition_id", workflow.id);
      });
      return { ...found, items: found.items.map((row) => presentWorkflowVersion(row, workflow)) };
    },
    async getVersion(nameOrId, version) {
      const workflow = await getWorkflowByNameOrId(knex, nameOrId);
      return presentWorkflowVersion(await getVersionByNumber(knex, workflow.id, version), workflow);
    },
    publish: async (nameOrId, version, by) => await publishVersion(deps, nameOrId, version, by),
    async validate(definition) {
      const { faults, warnings, graph } = await checkDefinition(deps, definition);
      return { valid: faults.length === 0, errors: [...faults], warnings: [...warnings], graph };
    },
    async getGraph(nameOrId) {
      const workflow = await getWorkflowByNameOrId(knex, nameOrId);
      const shown = workflow.publishedVersion ?? workflow.latestVersion;
      return graphOf(await getVersionByNumber(knex, workflow.id, shown));
    },
    resolveForRun: async (nameOrId, version, actor) =>
      await resolveRunnable(lookUp, nameOrId, version, actor),
    ensureTestVersion: async (mcpVersionId) => await ensureTestVersion(deps, mcpVersionId),
  };
}

/** The graph of a stored version, labelled with the names that its author gave the steps. */
function graphOf(version: WorkflowVersionModel): WorkflowGraph {
  const labels = new Map<string, string>();
  for (const { member } of STEP_LISTS) {
    const steps = (version.definition[member] ?? []) as { id: string; name?: string }[];
    for (const { id, name } of steps) if (name !== undefined) labels.set(id, name);
  }
  return buildPlanGraph(version.plan, labels);
}

async function compile(deps: Deps, definition: unknown, own: OwnWorkflow): Promise<CompiledDefinition> {
  const { faults, compiled } = await checkDefinition(deps, definition, own);
  if (!compiled) throw invalidFields(underDefinition(faults));
  return compiled;
}

function underDefinition(faults: readonly FieldFault[]): FieldFault[] {
  return faults.map(({ path, message }) => ({ path: `/definition${path}`, message }));
}

async function createWorkflow(deps: Deps, body: CreateWorkflow, by: By): Promise<Workflow> {
  const compiled = await compile(deps, body.definition, { name: body.name });
  const isPublished = body.draft !== true;
  return await deps.knex.transaction(async (trx) => {
    const row = await insertWorkflow(trx, body, isPublished, by.actor);
    const version = { workflowId: row.id, name: row.name, version: 1, isPublished };
    await storeVersion(trx, compiled, version, by.actor);
    await deps.audit.record(trx, { ...entryOf("workflow.create", row, by), after: stateOf(row) });
    return { ...presentWorkflow(row), definition: compiled.definition };
  });
}

async function insertWorkflow(
  db: Db,
  body: CreateWorkflow,
  isPublished: boolean,
  actor: Actor,
): Promise<WorkflowDefinitionModel> {
  try {
    return await workflows.insert(db, {
      id: newId(),
      name: body.name,
      description: body.description ?? "",
      tags: [...new Set(body.tags ?? [])],
      latestVersion: 1,
      publishedVersion: isPublished ? 1 : null,
      createdBy: actor.userId,
    });
  } catch (error) {
    if (!isUniqueViolation(error)) throw error;
    throw conflict(`There is a workflow called "${body.name}"`, [{ path: "/name", message: "is taken" }]);
  }
}

async function updateWorkflow(
  deps: Deps,
  nameOrId: string,
  body: UpdateWorkflow,
  revision: number | undefined,
  by: By,
): Promise<Workflow> {
  const found = await getWorkflowByNameOrId(deps.knex, nameOrId);
  if (body.draft !== undefined && body.definition === undefined) {
    throw invalidFields([
      { path: "/draft", message: "says what becomes of a definition, and there is none" },
    ]);
  }
  const { id, name } = found;
  const compiled =
    body.definition === undefined ? undefined : await compile(deps, body.definition, { id, name });
  return await deps.knex.transaction(async (trx) => {
    const before = await workflows.lock(trx, found.id, revision);
    const version = compiled && (await addVersion(trx, before, compiled, body.draft !== true, by.actor));
    const after = await workflows.update(trx, before.id, {
      ...(body.description === undefined ? {} : { description: body.description }),
      ...(body.tags === undefined ? {} : { tags: [...new Set(body.tags)] }),
      ...version,
    });
    const answer = await present(trx, after);
    const entry = entryOf("workflow.update", after, by);
    await deps.audit.record(trx, { ...entry, before: stateOf(before), after: stateOf(after) });
    return answer;
  });
}

/**
 * Stores a definition as the next version, unless the latest is the same, its pinned components included:
 * then that one is published, if it should be.
 */
async function addVersion(
  trx: Db,
  workflow: WorkflowDefinitionModel,
  compiled: CompiledDefinition,
  isPublished: boolean,
  actor: Actor,
): Promise<{ latestVersion: number; publishedVersion: number | null }> {
  const latest = await getVersionByNumber(trx, workflow.id, workflow.latestVersion);
  const isSame =
    toCanonicalJson([latest.definition, latest.plan]) ===
    toCanonicalJson([compiled.definition, compiled.plan]);
  const version = isSame ? latest.version : latest.version + 1;
  if (!isSame) {
    const { id: workflowId, name } = workflow;
    await storeVersion(trx, compiled, { workflowId, name, version, isPublished }, actor);
  } else if (isPublished) {
    await markPublished(trx, latest.id);
  }
  return { latestVersion: version, publishedVersion: isPublished ? version : workflow.publishedVersion };
}

/** The moment of the first publication stays. */
async function markPublished(trx: Db, versionId: string): Promise<void> {
  await WorkflowVersionModel.query(trx)
    .patch({ publishedAt: WorkflowVersionModel.raw("coalesce(published_at, now())") } as object)
    .where("id", versionId);
}

async function publishVersion(deps: Deps, nameOrId: string, number: number, by: By): Promise<Workflow> {
  const found = await getWorkflowByNameOrId(deps.knex, nameOrId);
  return await deps.knex.transaction(async (trx) => {
    const before = await workflows.lock(trx, found.id);
    const version = await getVersionByNumber(trx, before.id, number);
    if (before.publishedVersion === number) return await present(trx, before);
    await markPublished(trx, version.id);
    const after = await workflows.update(trx, before.id, { publishedVersion: number });
    const answer = await present(trx, after);
    const entry = entryOf("workflow.publish", after, by);
    await deps.audit.record(trx, { ...entry, before: stateOf(before), after: stateOf(after) });
    return answer;
  });
}

async function removeWorkflow(deps: Deps, nameOrId: string, by: By): Promise<void> {
  const row = await getWorkflowByNameOrId(deps.knex, nameOrId);
  await deps.knex.transaction(async (trx) => {
    await assertWorkflowUnused(trx, row);
    await deleteUnused(trx, row);
    await deps.audit.record(trx, { ...entryOf("workflow.delete", row, by), before: stateOf(row) });
  });
}

async function deleteUnused(trx: Db, row: WorkflowDefinitionModel): Promise<void> {
  try {
    await dropOrphanedUses(trx, row.id);
    if (!(await workflows.delete(trx, row.id))) throw notFound("Workflow");
  } catch (error) {
    if (!isForeignKeyViolation(error)) throw error;
    throw conflict(`${row.name} came into use while it was being deleted`);
  }
}

async function present(db: Db, row: WorkflowDefinitionModel): Promise<Workflow> {
  const { definition } = await getVersionByNumber(db, row.id, row.latestVersion);
  return { ...presentWorkflow(row), definition };
}

function stateOf(row: WorkflowDefinitionModel) {
  const { name, description, tags, latestVersion, publishedVersion, revision } = row;
  return { name, description, tags, latestVersion, publishedVersion, revision };
}

function entryOf(action: string, row: WorkflowDefinitionModel, { actor, origin }: By) {
  return { actor, origin, action, entityType: "workflow_definition", entityId: row.id };
}
