import type { JsonObject } from "../../core/json.js";
import { type McpReference, parseMcpReference } from "../../core/mcp-reference.js";
import { BUILTIN_NAMES, type BuiltinName, type StepTarget } from "../../core/plan.js";
import { parseWorkflowReference, type WorkflowReference } from "../../core/workflow-reference.js";
import type { FieldFault } from "../../errors/app-error.js";
import type { Db } from "../../models/repository.js";
import { type ResolvedMcp, referenceKey, resolveMcps } from "../mcp-registry/resolve-mcps.js";
import { createNestingJudge, type OwnWorkflow } from "./judge-nesting.js";
import type { DraftStep } from "./parse-definition.js";
import { listUses, type ResolvedWorkflow, resolveWorkflows, workflowKey } from "./resolve-workflows.js";

/** What one step runs. */
export interface ResolvedTarget {
  readonly target: StepTarget;
  /** Of a component or a workflow that declares its inputs. */
  readonly inputSchema: JsonObject | null;
}

/** What all steps run, by their place, and what is wrong with their `uses`. */
export interface ResolvedTargets {
  readonly targets: ReadonlyMap<number, ResolvedTarget>;
  readonly faults: readonly FieldFault[];
  readonly warnings: readonly FieldFault[];
}

/** What it takes to resolve targets. */
export interface TargetDeps {
  readonly knex: Db;
}

type Use =
  | { readonly kind: "mcp"; readonly reference: McpReference }
  | { readonly kind: "workflow"; readonly reference: WorkflowReference }
  | { readonly kind: "builtin"; readonly name: BuiltinName }
  | { readonly kind: "fault"; readonly message: string };

/** A verdict on one `uses`: the target that it stands for, if it does, and what is to be said of it. */
interface Verdict {
  readonly resolved?: ResolvedTarget;
  readonly fault?: string;
  readonly warning?: string;
}

/** Resolves the `uses` of all steps, with one query for all components and two for all workflows. */
export async function resolveTargets(
  deps: TargetDeps,
  steps: readonly DraftStep[],
  own?: OwnWorkflow,
): Promise<ResolvedTargets> {
  const uses = steps.flatMap((step) => (step.uses === undefined ? [] : [{ step, use: parseUse(step.uses) }]));
  const [judgeMcp, judgeWorkflow] = await Promise.all([
    createMcpJudge(
      deps,
      uses.flatMap(({ use }) => (use.kind === "mcp" ? [use.reference] : [])),
    ),
    createWorkflowJudge(
      deps.knex,
      uses.flatMap(({ use }) => (use.kind === "workflow" ? [use.reference] : [])),
      own,
    ),
  ]);
  const judge = (use: Use): Verdict => {
    if (use.kind === "fault") return { fault: use.message };
    if (use.kind === "builtin") return { resolved: { target: use, inputSchema: null } };
    return use.kind === "mcp" ? judgeMcp(use.reference) : judgeWorkflow(use.reference);
  };
  const targets = new Map<number, ResolvedTarget>();
  const faults: FieldFault[] = [];
  const warnings: FieldFault[] = [];
  for (const { step, use } of uses) {
    const path = `${step.path}/uses`;
    const { resolved, fault, warning } = judge(use);
    if (resolved) targets.set(step.index, resolved);
    if (fault !== undefined) faults.push({ path, message: fault });
    if (warning !== undefined) warnings.push({ path, message: warning });
  }
  return { targets, faults, warnings };
}

function parseUse(uses: string): Use {
  const [, kind, rest = ""] = /^(mcp|builtin|workflow):(.*)$/s.exec(uses) ?? [];
  if (kind === "mcp") {
    const reference = parseMcpReference(rest);
    return "error" in reference ? { kind: "fault", message: reference.error } : { kind, reference };
  }
  if (kind === "workflow") {
    const reference = parseWorkflowReference(rest);
    return "error" in reference ? { kind: "fault", message: reference.error } : { kind, reference };
  }
  if (kind === "builtin") {
    const name = BUILTIN_NAMES.find((one) => one === rest);
    if (name) return { kind, name };
    const known = BUILTIN_NAMES.map((one) => `builtin:${one}`).join(", ");
    return { kind: "fault", message: `must be one of ${known}` };
  }
  return { kind: "fault", message: "must be mcp:NAME[@VERSION], workflow:NAME[@NUMBER] or builtin:NAME" };
}

async function createMcpJudge(
  { knex }: TargetDeps,
  references: readonly McpReference[],
): Promise<(reference: McpReference) => Verdict> {
  const known = await resolveMcps(knex, references);
  return (reference) => {
    const found = known.get(referenceKey(reference));
    if (!found) return { fault: `there is no MCP called "${reference.name}"` };
    const { name, mcpType, version } = found;
    if (!version) return { fault: describeMissingVersion(found, reference) };
    const target = {
      kind: "mcp",
      mcpVersionId: version.id,
      name,
      version: version.version,
      mcpType,
    } as const;
    return {
      resolved: { target, inputSchema: version.inputSchema },
      ...(version.isDeprecated ? { warning: `${name}@${version.version} is deprecated` } : {}),
    };
  };
}

function describeMissingVersion({ name }: ResolvedMcp, reference: McpReference): string {
  if (reference.version !== undefined) return `${name} has no version ${reference.version}`;
  return `${name} has no released version that is not deprecated; name one as mcp:${name}@VERSION`;
}

async function createWorkflowJudge(
  knex: Db,
  references: readonly WorkflowReference[],
  own: OwnWorkflow | undefined,
): Promise<(reference: WorkflowReference) => Verdict> {
  const known = await resolveWorkflows(knex, references);
  const versionIds = [...known.values()].flatMap(({ version }) => (version ? [version.id] : []));
  const judgeNesting = createNestingJudge(own, await listUses(knex, [...new Set(versionIds)]));
  return (reference) => {
    const found = known.get(workflowKey(reference));
    if (!found && own?.name === reference.name) return { fault: `runs itself: ${own.name} → ${own.name}` };
    if (!found) return { fault: `there is no workflow called "${reference.name}"` };
    const { id, name, version } = found;
    const fault = judgeNesting(found) ?? describeUnusable(found, reference);
    if (!version) return { fault };
    const target = {
      kind: "workflow",
      workflowId: id,
      versionId: version.id,
      name,
      version: version.number,
    } as const;
    return { resolved: { target, inputSchema: version.inputSchema }, fault };
  };
}

function describeUnusable(
  { name, version }: ResolvedWorkflow,
  reference: WorkflowReference,
): string | undefined {
  if (version)
    return version.isDraft ? `version ${version.number} of ${name} is a draft; publish it first` : undefined;
  if (reference.version !== undefined) return `${name} has no version ${reference.version}`;
  return `${name} has no published version`;
}
