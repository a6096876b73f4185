import { type McpReference, parseMcpReference } from "../../core/mcp-reference.js";
import type { StepTarget } from "../../core/plan.js";
import type { JsonObject } from "../../core/json.js";
import type { FieldFault } from "../../errors/app-error.js";
import type { ExecutorDefinition } from "../../executors/types.js";
import type { Db } from "../../models/repository.js";
import { type ResolvedMcp, referenceKey, resolveMcps } from "../mcp-registry/resolve-mcps.js";
import type { DraftStep } from "./parse-definition.js";
import { BUILTINS, NOT_YET } from "./unsupported-features.js";

/** What one step runs. */
export interface ResolvedTarget {
  readonly target: StepTarget;
  /** Of a component that declares its inputs. */
  readonly inputSchema: JsonObject | null;
}

/** What all steps run, by their place, and what is wrong with their `uses`. */
export interface ResolvedTargets {
  readonly targets: ReadonlyMap<number, ResolvedTarget>;
  readonly faults: readonly FieldFault[];
  readonly warnings: readonly FieldFault[];
}

type Use =
  | { readonly kind: "mcp"; readonly reference: McpReference }
  | { readonly kind: "builtin"; readonly name: "noop" }
  | { readonly kind: "fault"; readonly message: string };

/** Resolves the `uses` of all steps with one query. */
export async function resolveTargets(
  deps: { readonly knex: Db; readonly executors: readonly ExecutorDefinition[] },
  steps: readonly DraftStep[],
): Promise<ResolvedTargets> {
  const uses = steps.flatMap((step) => (step.uses === undefined ? [] : [{ step, use: parseUse(step.uses) }]));
  const known = await resolveMcps(
    deps.knex,
    uses.flatMap(({ use }) => (use.kind === "mcp" ? [use.reference] : [])),
  );
  const runnable = new Set(deps.executors.filter((one) => one.isRunnable).map((one) => one.type as string));
  const targets = new Map<number, ResolvedTarget>();
  const faults: FieldFault[] = [];
  const warnings: FieldFault[] = [];
  for (const { step, use } of uses) {
    const path = `/steps/${step.index}/uses`;
    if (use.kind === "fault") {
      faults.push({ path, message: use.message });
    } else if (use.kind === "builtin") {
      targets.set(step.index, { target: { kind: "builtin", name: use.name }, inputSchema: null });
    } else {
      const resolved = known.get(referenceKey(use.reference));
      const target = toTarget(resolved, use.reference);
      if ("message" in target) faults.push({ path, message: target.message });
      else targets.set(step.index, target);
      if (resolved && !runnable.has(resolved.mcpType)) {
        faults.push({ path, message: `a component of type ${resolved.mcpType} ${NOT_YET}` });
      }
      if (resolved?.version?.isDeprecated) {
        warnings.push({ path, message: `${resolved.name}@${resolved.version.version} is deprecated` });
      }
    }
  }
  return { targets, faults, warnings };
}

function parseUse(uses: string): Use {
  const [, kind, rest = ""] = /^(mcp|builtin|workflow):(.*)$/s.exec(uses) ?? [];
  if (kind === "mcp") {
    const reference = parseMcpReference(rest);
    return "error" in reference ? { kind: "fault", message: reference.error } : { kind, reference };
  }
  if (kind === "builtin") {
    if (rest === "noop") return { kind, name: "noop" };
    if (BUILTINS.has(rest)) return { kind: "fault", message: `builtin:${rest} ${NOT_YET}` };
    return {
      kind: "fault",
      message: `must be one of ${[...BUILTINS.keys()].map((name) => `builtin:${name}`).join(", ")}`,
    };
  }
  if (kind === "workflow") return { kind: "fault", message: `a workflow as a step ${NOT_YET}` };
  return { kind: "fault", message: "must be mcp:NAME, mcp:NAME@VERSION or builtin:NAME" };
}

function toTarget(
  resolved: ResolvedMcp | undefined,
  reference: McpReference,
): ResolvedTarget | { readonly message: string } {
  if (!resolved) return { message: `there is no MCP called "${reference.name}"` };
  const { name, mcpType, version } = resolved;
  if (version) {
    const target = {
      kind: "mcp",
      mcpVersionId: version.id,
      name,
      version: version.version,
      mcpType,
    } as const;
    return { target, inputSchema: version.inputSchema };
  }
  if (reference.version !== undefined) return { message: `${name} has no version ${reference.version}` };
  return {
    message: `${name} has no released version that is not deprecated; name one as mcp:${name}@VERSION`,
  };
}
