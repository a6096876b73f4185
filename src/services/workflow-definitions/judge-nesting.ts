import { MAX_WORKFLOW_DEPTH } from "../../core/workflow-reference.js";
import type { ResolvedWorkflow, WorkflowUse } from "./resolve-workflows.js";

/** The workflow that a definition is judged for. Without an id it is not stored yet. */
export interface OwnWorkflow {
  readonly id?: string;
  readonly name: string;
}

/**
 * Says of a workflow whether it may be a step of `own`: why not, when it leads back to `own` or nests too deeply.
 * `uses` is what the versions in question use, to the end.
 */
export function createNestingJudge(
  own: OwnWorkflow | undefined,
  uses: readonly WorkflowUse[],
): (used: ResolvedWorkflow) => string | undefined {
  const usesByVersion = new Map<string, WorkflowUse[]>();
  for (const use of uses) {
    const known = usesByVersion.get(use.versionId);
    if (known) known.push(use);
    else usesByVersion.set(use.versionId, [use]);
  }
  const depths = new Map<string, number>();
  const verdicts = new Map<string, string | undefined>();

  /** How many workflows stand below a version. */
  function depthOf(versionId: string): number {
    const known = depths.get(versionId);
    if (known !== undefined) return known;
    const below = (usesByVersion.get(versionId) ?? []).map((use) => depthOf(use.usedVersionId) + 1);
    const depth = below.reduce((most, one) => Math.max(most, one), 0);
    depths.set(versionId, depth);
    return depth;
  }

  /** The names of the workflows on a shortest way from a version to `own`. */
  function findWayBack(versionId: string): string[] | undefined {
    const seen = new Set([versionId]);
    const open: { versionId: string; names: string[] }[] = [{ versionId, names: [] }];
    for (const { versionId: from, names } of open) {
      for (const use of usesByVersion.get(from) ?? []) {
        const way = [...names, use.usedName];
        if (use.usedWorkflowId === own?.id) return way;
        if (seen.has(use.usedVersionId)) continue;
        seen.add(use.usedVersionId);
        open.push({ versionId: use.usedVersionId, names: way });
      }
    }
    return undefined;
  }

  function judge({ id, name, version }: ResolvedWorkflow): string | undefined {
    if (own?.id !== undefined) {
      const wayBack = id === own.id ? [] : version && findWayBack(version.id);
      if (wayBack) return `runs itself: ${[own.name, name, ...wayBack].join(" → ")}`;
    }
    const depth = version === undefined ? 0 : depthOf(version.id) + 1;
    if (depth <= MAX_WORKFLOW_DEPTH) return undefined;
    return `nests ${depth} workflows in one another; at most ${MAX_WORKFLOW_DEPTH} may`;
  }

  return (used) => {
    const key = used.version?.id ?? used.id;
    if (!verdicts.has(key)) verdicts.set(key, judge(used));
    return verdicts.get(key);
  };
}
