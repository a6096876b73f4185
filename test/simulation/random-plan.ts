import type { ConcurrencyRule, InputMapping, Phase, RunPlan, StepTarget } from "../../src/core/plan.js";
import { buildPlan, type StepDraft } from "../support/build-plan.js";
import { BROKEN_EXPRESSION } from "./follow-outcome.js";
import type { Random } from "./random.js";

/** A workflow of one simulation, and its versions. */
export interface SimWorkflow {
  readonly id: string;
  readonly versionIds: readonly string[];
}

/** The workflows of one simulation; later ones may call earlier ones. */
export interface Library {
  readonly workflows: readonly SimWorkflow[];
  readonly plans: ReadonlyMap<string, RunPlan>;
}

/** Draws the workflows of a simulation. */
export function drawLibrary(random: Random): Library {
  const workflows: SimWorkflow[] = [];
  const plans = new Map<string, RunPlan>();
  const count = random.int(1, 3);
  for (let number = 0; number < count; number += 1) {
    const id = `workflow-${number}`;
    const drafts = drawSteps(random, workflows);
    const rest = drawRest(random, drafts);
    const [first, second] = [`${id}@1`, `${id}@2`];
    plans.set(first, buildPlan(drafts, rest));
    plans.set(second, buildPlan(change(random, drafts), { ...rest, outputs: undefined }));
    workflows.push({ id, versionIds: [first, second] });
  }
  return { workflows, plans };
}

function drawSteps(random: Random, callable: readonly SimWorkflow[]): StepDraft[] {
  const main = drawPhase(random, "main", random.pick([1, 1, 2, 3, 4, 4, 5, 7]), callable);
  const onFailure = random.chance(0.25) ? drawPhase(random, "onFailure", random.int(1, 2), callable) : [];
  const last = random.chance(0.25) ? drawPhase(random, "finally", random.int(1, 2), callable) : [];
  return [...main, ...onFailure, ...last];
}

/** Steps of one phase; a definition may name a step before those that it waits for. */
function drawPhase(
  random: Random,
  phase: Phase,
  count: number,
  callable: readonly SimWorkflow[],
): StepDraft[] {
  const density = random.pick([0.2, 0.5, 0.9]);
  const ids: string[] = [];
  const drafts: StepDraft[] = [];
  for (let number = 0; number < count; number += 1) {
    const id = `${phase[0]}${number}`;
    const after = ids.filter(() => random.chance(density)).slice(-3);
    drafts.splice(random.int(0, drafts.length), 0, {
      ...drawStep(random, id, callable),
      after,
      ...(phase === "main" ? {} : { phase }),
    });
    ids.push(id);
  }
  return drafts;
}

function drawStep(random: Random, id: string, callable: readonly SimWorkflow[]): StepDraft {
  const isFanOut = random.chance(0.18);
  return {
    id,
    target: drawTarget(random, callable),
    runAfter: random.weighted({ allSucceeded: 80, allDone: 12, anyFailed: 8 }),
    onError: random.chance(0.2) ? "continue" : "fail",
    retry: {
      maxAttempts: random.pick([1, 1, 2, 3]),
      backoff: random.pick(["fixed", "exponential"] as const),
      delaySeconds: random.pick([0, 0.05, 1, 4]),
      maxDelaySeconds: 8,
      jitter: random.chance(0.5),
    },
    ...(random.chance(0.12) ? { when: "$maybe()" } : {}),
    ...(isFanOut ? { forEach: { input: "/items" }, maxParallel: random.pick([1, 2, 3, undefined]) } : {}),
    ...(random.chance(0.06) ? { queueTimeoutSeconds: random.int(2, 20) } : {}),
    ...(random.chance(0.3) ? { timeoutSeconds: random.int(2, 20) } : {}),
  };
}

function drawTarget(random: Random, callable: readonly SimWorkflow[]): StepTarget {
  const calls = callable.length === 0 ? 0 : 18;
  const kind = random.weighted({ run: 66, wait: 8, approval: 8, call: calls });
  if (kind === "run") return { kind: "builtin", name: "noop" };
  if (kind !== "call") return { kind: "builtin", name: kind };
  const { id, versionIds } = random.pick(callable);
  return { kind: "workflow", workflowId: id, versionId: random.pick(versionIds), name: id, version: 1 };
}

function drawRest(random: Random, drafts: readonly StepDraft[]): Partial<RunPlan> {
  const names = drafts.filter((draft) => draft.phase === undefined).map((draft) => draft.id);
  return {
    ...(random.chance(0.3) ? { outputs: drawOutputs(random, names) } : {}),
    ...(random.chance(0.2) ? { timeoutSeconds: random.int(1, 20) } : {}),
    ...(random.chance(0.2) ? { concurrency: drawConcurrency(random) } : {}),
  };
}

function drawOutputs(random: Random, names: readonly string[]): Record<string, InputMapping> {
  const result: InputMapping = random.chance(0.1)
    ? { expression: BROKEN_EXPRESSION }
    : { step: random.pick(names), output: "" };
  return { result };
}

function drawConcurrency(random: Random): ConcurrencyRule {
  return { limit: random.int(1, 2), onConflict: random.pick(["queue", "skip", "cancelRunning"] as const) };
}

/** Another version: one step less, if none waits for it, or one that is done otherwise. */
function change(random: Random, drafts: readonly StepDraft[]): StepDraft[] {
  const spare = drafts.filter(
    ({ id }) => drafts.length > 1 && !drafts.some((other) => other.after?.includes(id)),
  );
  const mains = drafts.filter((draft) => draft.phase === undefined);
  const gone = random.chance(0.6) && spare.length > 0 ? random.pick(spare) : undefined;
  if (gone && (gone.phase !== undefined || mains.length > 1)) return drafts.filter((draft) => draft !== gone);
  const changed = random.pick(drafts);
  return drafts.map((draft) => (draft === changed ? { ...draft, priority: 1 } : draft));
}
