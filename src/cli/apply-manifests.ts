import { workflowDefinitionBodySchema } from "../contracts/workflow-definition.js";
import { toCanonicalJson } from "../core/canonical-json.js";
import { mcpConfigSchema } from "../executors/registry.js";
import type { ApiClient } from "./api-client.js";
import {
  itemsOf,
  type McpVersion,
  mcpDefinitionShape,
  mcpVersionShape,
  type Workflow,
  workflowShape,
} from "./api-shapes.js";
import { applySchedule } from "./apply-schedule.js";
import { CliError } from "./cli-error.js";
import type { Manifests, McpManifest, WorkflowManifest } from "./load-manifests.js";

/** What became of one manifest. */
export interface Applied {
  readonly kind: "Mcp" | "Workflow" | "Schedule";
  readonly name: string;
  readonly version: string;
  readonly outcome: "created" | "updated" | "unchanged";
}

const MCPS = "/api/v1/mcp-definitions";
const WORKFLOWS = "/api/v1/workflow-definitions";

/**
 * Registers what is new or has changed: MCPs first, since workflows name them, and
 * schedules last. Applying the same twice changes
 * nothing. `onApplied` is told of each as it is done; what was applied before a fault stays.
 * @throws CliError for an MCP version that is registered with other contents, ApiError for what the API refuses.
 */
export async function applyManifests(
  api: ApiClient,
  manifests: Manifests,
  onApplied: (applied: Applied) => void = () => undefined,
): Promise<Applied[]> {
  const done: Applied[] = [];
  const note = (applied: Applied): void => {
    done.push(applied);
    onApplied(applied);
  };
  for (const mcp of manifests.mcps) note(await naming(mcp.source, () => applyMcp(api, mcp)));
  for (const workflow of manifests.workflows) {
    note(await naming(workflow.source, () => applyWorkflow(api, workflow)));
  }
  for (const schedule of manifests.schedules) {
    note(await naming(schedule.source, () => applySchedule(api, schedule)));
  }
  return done;
}

async function naming<T>(source: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof CliError)) throw error;
    throw new CliError(`${source}: ${error.message}`, {
      exitCode: error.exitCode,
      details: error.details,
      cause: error,
    });
  }
}

async function applyMcp(api: ApiClient, wanted: McpManifest): Promise<Applied> {
  const path = `${MCPS}/${encodeURIComponent(wanted.name)}`;
  const result = { kind: "Mcp", name: wanted.name, version: wanted.version } as const;
  const known = await api.find(path, mcpDefinitionShape);
  if (!known) {
    const { name, description, tags, mcpType } = wanted;
    const body = { name, description, tags, mcpType };
    await api.call("POST", MCPS, mcpDefinitionShape, { body });
    await api.call("POST", `${path}/versions`, mcpVersionShape, { body: toVersionBody(wanted) });
    return { ...result, outcome: "created" };
  }
  if (known.mcpType !== wanted.mcpType) {
    throw new CliError(
      `${wanted.name} is a ${known.mcpType}; a component's type cannot change to ${wanted.mcpType}.`,
    );
  }
  const isRelabelled = await updateLabels(api, path, known, wanted);
  const versions = await api.call("GET", `${path}/versions`, itemsOf(mcpVersionShape), {
    query: { limit: 200 },
  });
  const same = versions.find((version) => version.version === wanted.version);
  if (!same) {
    await api.call("POST", `${path}/versions`, mcpVersionShape, { body: toVersionBody(wanted) });
    return { ...result, outcome: "updated" };
  }
  const registered = await api.call("GET", `/api/v1/mcp-versions/${same.id}`, mcpVersionShape);
  const differing = differingParts(registered, wanted);
  if (differing.length > 0) {
    throw new CliError(
      `${wanted.name}@${wanted.version} is registered with another ${differing.join(", ")}. ` +
        "A version never changes: give yours a new version number.",
    );
  }
  return { ...result, outcome: isRelabelled ? "updated" : "unchanged" };
}

function toVersionBody(wanted: McpManifest): object {
  const { version, config, inputSchema, outputSchema, secrets, externalDbConfigs } = wanted;
  return { version, config, inputSchema, outputSchema, secrets, externalDbConfigs };
}

/** Defaults that the API filled in are no difference, so both sides get them before they are compared. */
function differingParts(registered: McpVersion, wanted: McpManifest): string[] {
  const parts = {
    config: [withConfigDefaults(registered.config), withConfigDefaults(wanted.config)],
    inputSchema: [registered.inputSchema ?? null, wanted.inputSchema ?? null],
    outputSchema: [registered.outputSchema ?? null, wanted.outputSchema ?? null],
    secrets: [registered.secrets ?? [], wanted.secrets ?? []],
    externalDbConfigs: [registered.externalDbConfigs ?? [], wanted.externalDbConfigs ?? []],
  };
  return Object.entries(parts).flatMap(([name, [one, other]]) =>
    toCanonicalJson(one) === toCanonicalJson(other) ? [] : [name],
  );
}

function withConfigDefaults(config: unknown): unknown {
  const parsed = mcpConfigSchema.safeParse(config);
  return parsed.success ? parsed.data : config;
}

async function applyWorkflow(api: ApiClient, wanted: WorkflowManifest): Promise<Applied> {
  const path = `${WORKFLOWS}/${encodeURIComponent(wanted.name)}`;
  const { name, description, tags, definition } = wanted;
  const known = await api.find(path, workflowShape);
  if (!known) {
    const made = await api.call("POST", WORKFLOWS, workflowShape, {
      body: { name, description, tags, definition },
    });
    return toApplied(made, "created");
  }
  const isRelabelled = await updateLabels(api, path, known, wanted);
  if (isSameDefinition(await publishedDefinition(api, path, known), definition)) {
    return toApplied(known, isRelabelled ? "updated" : "unchanged");
  }
  return toApplied(await api.call("PATCH", path, workflowShape, { body: { definition } }), "updated");
}

async function publishedDefinition(api: ApiClient, path: string, known: Workflow): Promise<unknown> {
  if (known.publishedVersion == null) return undefined;
  const shape = workflowShape.pick({ definition: true });
  return (await api.call("GET", `${path}/versions/${known.publishedVersion}`, shape)).definition;
}

function isSameDefinition(registered: unknown, wanted: unknown): boolean {
  const [one, other] = [registered, wanted].map((definition) => {
    const parsed = workflowDefinitionBodySchema.safeParse(definition);
    return toCanonicalJson(parsed.success ? parsed.data : definition);
  });
  return one === other;
}

function toApplied(workflow: Workflow, outcome: Applied["outcome"]): Applied {
  const version = String(workflow.publishedVersion ?? workflow.latestVersion ?? "?");
  return { kind: "Workflow", name: workflow.name, version, outcome };
}

interface Labels {
  readonly description?: string | null | undefined;
  readonly tags?: readonly string[] | null | undefined;
}

/** Description and tags, where the manifest gives them, are the definition's and not a version's. */
async function updateLabels(api: ApiClient, path: string, known: Labels, wanted: Labels): Promise<boolean> {
  const body = {
    ...(wanted.description !== undefined && wanted.description !== (known.description ?? "")
      ? { description: wanted.description }
      : {}),
    ...(wanted.tags && toCanonicalJson(wanted.tags) !== toCanonicalJson(known.tags ?? [])
      ? { tags: wanted.tags }
      : {}),
  };
  if (Object.keys(body).length === 0) return false;
  await api.call("PATCH", path, mcpDefinitionShape.pick({ id: true }), { body });
  return true;
}
