import { z } from "zod";
import { workflowDefinitionBodySchema } from "../../contracts/workflow-definition.js";
import { mcpConfigSchema } from "../../executors/registry.js";
import type { ApiClient } from "../api-client.js";
import { EXIT, type ExitCode } from "../cli-error.js";
import { connectToApi } from "../connect.js";
import { loadManifests, type Manifests, type McpManifest, type WorkflowManifest } from "../load-manifests.js";
import type { CommandContext } from "../program.js";

interface Fault {
  readonly path: string;
  readonly message: string;
}

interface Verdict {
  readonly source: string;
  readonly kind: "Mcp" | "Workflow";
  readonly name: string;
  readonly errors: readonly Fault[];
  readonly warnings: readonly Fault[];
}

const faultShape = z.object({ path: z.string(), message: z.string() });
const validationShape = z.looseObject({
  valid: z.boolean(),
  errors: z.array(faultShape),
  warnings: z.array(faultShape).nullish(),
});

/**
 * `headrace validate`: components are checked here, workflows by the API, which knows what is registered. A
 * workflow may name components of the same files before they are applied. Exit code 1 when anything is wrong.
 */
export async function runValidate(path: string, { output }: CommandContext): Promise<ExitCode> {
  const manifests = loadManifests(path);
  const verdicts = manifests.mcps.map(judgeMcp);
  const api = manifests.workflows.length > 0 ? connectToApi() : undefined;
  for (const workflow of manifests.workflows) {
    if (api) verdicts.push(await judgeWorkflow(api, workflow, manifests));
  }
  const isValid = verdicts.every((verdict) => verdict.errors.length === 0);
  const text = verdicts.map((verdict) => {
    const faults = verdict.errors.map((fault) => `\n  error    ${fault.path || "(all)"}: ${fault.message}`);
    const hints = verdict.warnings.map((fault) => `\n  warning  ${fault.path || "(all)"}: ${fault.message}`);
    return `${verdict.errors.length === 0 ? "valid  " : "INVALID"}  ${verdict.kind} ${verdict.name}  (${verdict.source})${[...faults, ...hints].join("")}`;
  });
  output.result({ valid: isValid, results: verdicts }, text.join("\n"));
  return isValid ? EXIT.ok : EXIT.failed;
}

function judgeMcp(mcp: McpManifest & { source: string }): Verdict {
  const parsed = mcpConfigSchema.safeParse(mcp.config);
  const errors = parsed.success ? [] : toFaults(parsed.error, "/config");
  return { source: mcp.source, kind: "Mcp", name: `${mcp.name}@${mcp.version}`, errors, warnings: [] };
}

async function judgeWorkflow(
  api: ApiClient,
  workflow: WorkflowManifest & { source: string },
  manifests: Manifests,
): Promise<Verdict> {
  const head = { source: workflow.source, kind: "Workflow", name: workflow.name } as const;
  const shape = workflowDefinitionBodySchema.safeParse(workflow.definition);
  if (!shape.success) return { ...head, errors: toFaults(shape.error, ""), warnings: [] };
  const answer = await api.call("POST", "/api/v1/workflow-definitions/validate", validationShape, {
    body: { definition: workflow.definition },
  });
  const isOfTheseFiles = (fault: Fault): boolean => {
    const index = /^\/steps\/(\d+)\/uses$/.exec(fault.path)?.[1];
    const uses = index === undefined ? undefined : shape.data.steps[Number(index)]?.uses;
    return manifests.mcps.some(
      (mcp) => uses === `mcp:${mcp.name}@${mcp.version}` || uses === `mcp:${mcp.name}`,
    );
  };
  const pending = answer.errors.filter(isOfTheseFiles);
  return {
    ...head,
    errors: answer.errors.filter((fault) => !isOfTheseFiles(fault)),
    warnings: [
      ...(answer.warnings ?? []),
      ...pending.map((fault) => ({ path: fault.path, message: "is not registered yet; apply registers it" })),
    ],
  };
}

function toFaults(error: z.ZodError, prefix: string): Fault[] {
  return error.issues.map((issue) => ({
    path: [prefix, ...issue.path.map(String)].join("/"),
    message: issue.message,
  }));
}
