import { createHash } from "node:crypto";
import { toCanonicalJson } from "../../core/canonical-json.js";
import type { JsonValue } from "../../core/json.js";
import type { InputMapping, PlanStep, StepTarget } from "../../core/plan.js";

/** What makes two executions the same. */
export interface CacheIdentity {
  /** Results are shared within a workflow, its versions included, and with no other. */
  readonly workflowId: string | null;
  readonly step: Pick<PlanStep, "id" | "target" | "inputs" | "cache">;
  /** The value of `cache.key`; needed when the step has one. */
  readonly keyValue?: JsonValue;
  /** The step's inputs as they are resolved; needed when it has no `cache.key`. */
  readonly inputs?: JsonValue;
  /** The item of a `forEach` that is worked on: items never share a result, whatever the key says. */
  readonly item?: JsonValue;
}

/** Counts up when the meaning of a key changes: what was kept before is then not found. */
const KEY_FORMAT = 1;

/**
 * The key of a step's result, or undefined when it is not to be kept: the step has no `cache`, or it reads a secret
 * and has no key of its own – a hash of a secret would be as good as a copy to whoever can guess.
 *
 * With `cache.key`, the step and the value of the key count: the author says what matters. Without, the component's
 * version and all inputs do, so that two steps of a workflow that do the same share a result.
 */
export function keyOf({ workflowId, step, keyValue, inputs, item }: CacheIdentity): string | undefined {
  const { cache } = step;
  if (!cache) return undefined;
  const scope = { format: KEY_FORMAT, workflowId, target: toTargetKey(step.target), item };
  if (cache.key !== undefined) return hash({ ...scope, stepId: step.id, key: keyValue ?? null });
  if (Object.values(step.inputs).some(readsSecret)) return undefined;
  return hash({ ...scope, inputs: inputs ?? {} });
}

function readsSecret(mapping: InputMapping): boolean {
  return "secret" in mapping;
}

function toTargetKey(target: StepTarget): string {
  switch (target.kind) {
    case "mcp":
      return `mcp ${target.mcpVersionId}`;
    case "workflow":
      return `workflow ${target.versionId}`;
    default:
      return `builtin ${target.name}`;
  }
}

function hash(value: unknown): string {
  return createHash("sha256").update(toCanonicalJson(value)).digest("hex");
}
