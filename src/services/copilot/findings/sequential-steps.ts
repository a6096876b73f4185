import type { PatchOperation } from "../../../contracts/api/copilot.js";
import type { Candidate } from "../candidate.js";
import type { GroundStep, WorkflowGround } from "../ground/workflow-ground.js";
import { simulatePlan } from "../history/simulate-plan.js";
import { type FindingRule, inWords, type RuleTools } from "./finding-rule.js";

/** Steps that wait for another without reading anything of it. */
export const sequentialSteps: FindingRule = {
  kind: "sequential-steps",
  async find(ground, tools) {
    const loose = ground.steps.flatMap((step) => findLoose(ground, step).map((id) => ({ step, id })));
    const found = await Promise.all(loose.map(async (one) => await describe(ground, tools, one)));
    return found.filter((one) => one !== undefined);
  },
};

interface Loose {
  readonly step: GroundStep;
  /** The step that it waits for. */
  readonly id: string;
}

function findLoose(ground: WorkflowGround, step: GroundStep): string[] {
  const { dependsOn, runAfter } = step.written;
  // who asks how another ended means the order
  if (!Array.isArray(dependsOn) || (runAfter !== undefined && runAfter !== "allSucceeded")) return [];
  const isOrder = (id: string) => {
    const target = ground.plan.steps.find((other) => other.id === id)?.target;
    return target?.kind === "builtin" && (target.name === "approval" || target.name === "wait");
  };
  return dependsOn.filter(
    (id): id is string => typeof id === "string" && !step.reads.has(id) && !isOrder(id),
  );
}

async function describe(
  ground: WorkflowGround,
  tools: RuleTools,
  { step, id }: Loose,
): Promise<Candidate | undefined> {
  const patch = [dropDependency(step, id)];
  const plan = await tools.compile(patch);
  if (!plan) return undefined;
  const index = plan.steps.findIndex((other) => other.id === step.plan.id);
  // it waits for that step by another way all the same
  if (
    isReached(
      plan.steps.map((other) => other.dependencies),
      index,
      plan.steps.findIndex((o) => o.id === id),
    )
  )
    return undefined;
  const before = simulatePlan(ground.plan, ground.history);
  const after = simulatePlan(plan, ground.history);
  const saved = before && after ? before.totalMs - after.totalMs : undefined;
  const gain =
    saved === undefined
      ? "How much that saves cannot be told before it has run."
      : saved > 0
        ? `By the medians of ${ground.history.runs} runs the longest path would shrink by ${inWords(saved)}.`
        : "It does not shorten the longest path as it is.";
  const pair = [id, step.plan.id].flatMap((stepId) => {
    const ms = ground.history.steps.get(stepId)?.durationMs?.p50;
    return ms === undefined ? [] : [[`${stepId}.p50Ms`, ms] as const];
  });
  return {
    kind: sequentialSteps.kind,
    title: `${step.plan.id} waits for ${id} without reading anything of it`,
    detail:
      `No input, condition or expression of ${step.plan.id} uses the output of ${id}, so both can run at the same time. ${gain} ` +
      `Keep the order if ${step.plan.id} relies on something that ${id} does elsewhere, in a database for one.`,
    severity: "info",
    patch,
    evidence: {
      stepId: step.plan.id,
      runs: ground.history.runs,
      runIds: [...ground.history.runIds],
      counts: Object.fromEntries(pair),
    },
    ...(before && after && saved !== undefined && saved > 0
      ? {
          estimate: {
            basis: "simulated" as const,
            metric: "criticalPathMs",
            before: before.totalMs,
            after: after.totalMs,
            runs: ground.history.runs,
            note: "Longest path by recorded medians, with a free worker for every step.",
          },
        }
      : {}),
  };
}

function dropDependency({ path, written }: GroundStep, id: string): PatchOperation {
  const dependsOn = written["dependsOn"] as string[];
  return dependsOn.length === 1
    ? { op: "remove", path: `${path}/dependsOn` }
    : { op: "remove", path: `${path}/dependsOn/${dependsOn.indexOf(id)}` };
}

function isReached(dependencies: readonly (readonly number[])[], from: number, to: number): boolean {
  const open = [from];
  const seen = new Set(open);
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    for (const next of dependencies[at] ?? []) {
      if (next === to) return true;
      if (!seen.has(next)) open.push(next);
      seen.add(next);
    }
  }
  return false;
}
