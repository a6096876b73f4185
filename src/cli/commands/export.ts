import { writeFileSync } from "node:fs";
import { stringify } from "yaml";
import type { ApiClient } from "../api-client.js";
import {
  itemsOf,
  listedScheduleShape,
  mcpDefinitionShape,
  mcpVersionShape,
  type Workflow,
  workflowShape,
} from "../api-shapes.js";
import { EXIT, type ExitCode } from "../cli-error.js";
import { connectToApi } from "../connect.js";
import type { McpManifest, ScheduleManifest, WorkflowManifest } from "../load-manifests.js";
import type { CommandContext } from "../program.js";

/**
 * `headrace export`: YAML that `headrace apply` takes back. Every version of each component, published workflows and
 * their schedules. Webhooks are not among them: their address is a secret of the installation.
 */
export async function runExport(
  name: string | undefined,
  options: { out?: string },
  { output }: CommandContext,
): Promise<ExitCode> {
  const api = connectToApi();
  const workflows = await exportWorkflows(api, name);
  const used = name === undefined ? undefined : new Set(workflows.flatMap(namesOfMcps));
  const manifests = [
    ...(await exportMcps(api, used)),
    ...workflows,
    ...(await exportSchedules(api, new Set(workflows.map((workflow) => workflow.name)))),
  ];
  if (output.isJson && options.out === undefined) {
    output.result(manifests, "");
    return EXIT.ok;
  }
  const text = manifests.map((manifest) => stringify(manifest, { lineWidth: 0 })).join("---\n");
  if (options.out === undefined) process.stdout.write(text);
  else {
    writeFileSync(options.out, text);
    output.result(
      { file: options.out, count: manifests.length },
      `${manifests.length} documents in ${options.out}`,
    );
  }
  return EXIT.ok;
}

async function exportWorkflows(api: ApiClient, name: string | undefined): Promise<WorkflowManifest[]> {
  const path = "/api/v1/workflow-definitions";
  const workflows: Workflow[] =
    name === undefined
      ? await api.list(path, workflowShape)
      : [await api.call("GET", `${path}/${encodeURIComponent(name)}`, workflowShape)];
  const manifests: WorkflowManifest[] = [];
  for (const workflow of workflows) {
    if (workflow.publishedVersion == null) continue;
    const version = await api.call(
      "GET",
      `${path}/${workflow.id}/versions/${workflow.publishedVersion}`,
      workflowShape.pick({ definition: true }),
    );
    manifests.push({ kind: "Workflow", ...labels(workflow), definition: version.definition ?? {} });
  }
  return manifests;
}

async function exportSchedules(api: ApiClient, workflows: ReadonlySet<string>): Promise<ScheduleManifest[]> {
  const listed = await api.list("/api/v1/schedules", listedScheduleShape);
  return listed.flatMap(({ name, workflow, cron, everySeconds, timezone, input, ...rest }) => {
    if (workflow === null || !workflows.has(workflow)) return [];
    const { enabled, overlap, catchUp } = rest;
    const timing = cron === null ? { everySeconds: everySeconds ?? undefined } : { cron };
    return [
      { kind: "Schedule" as const, name, workflow, ...timing, timezone, input, enabled, overlap, catchUp },
    ];
  });
}

async function exportMcps(api: ApiClient, names: ReadonlySet<string> | undefined): Promise<McpManifest[]> {
  const manifests: McpManifest[] = [];
  for (const definition of await api.list("/api/v1/mcp-definitions", mcpDefinitionShape)) {
    if (names && !names.has(definition.name)) continue;
    const listed = await api.call(
      "GET",
      `/api/v1/mcp-definitions/${definition.id}/versions`,
      itemsOf(mcpVersionShape),
      { query: { limit: 200 } },
    );
    for (const { id } of [...listed].reverse()) {
      const version = await api.call("GET", `/api/v1/mcp-versions/${id}`, mcpVersionShape);
      manifests.push({
        kind: "Mcp",
        ...labels(definition),
        mcpType: definition.mcpType,
        version: version.version,
        config: version.config,
        ...(version.inputSchema ? { inputSchema: version.inputSchema } : {}),
        ...(version.outputSchema ? { outputSchema: version.outputSchema } : {}),
        ...(version.secrets?.length ? { secrets: version.secrets } : {}),
        ...(version.externalDbConfigs?.length ? { externalDbConfigs: version.externalDbConfigs } : {}),
      });
    }
  }
  return manifests;
}

function labels(from: {
  name: string;
  description?: string | null | undefined;
  tags?: string[] | null | undefined;
}): {
  name: string;
  description?: string;
  tags?: string[];
} {
  return {
    name: from.name,
    ...(from.description ? { description: from.description } : {}),
    ...(from.tags?.length ? { tags: from.tags } : {}),
  };
}

function namesOfMcps(workflow: WorkflowManifest): string[] {
  const steps = (workflow.definition["steps"] ?? []) as { uses?: string }[];
  return steps.flatMap((step) => /^mcp:([^@]+)/.exec(step.uses ?? "")?.[1] ?? []);
}
