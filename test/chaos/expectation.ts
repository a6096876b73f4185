import type { ChaosStep, ChaosSteps } from "./blueprint.js";

/** How a run must end. */
export interface Expectation {
  readonly status: "succeeded" | "failed";
  /** The status of each step, by its id. */
  readonly steps: ReadonlyMap<string, "succeeded" | "failed" | "skipped">;
  /** Codes that the run's error may have: of the steps that fail untolerated. */
  readonly codes: ReadonlySet<string>;
}

type State = "succeeded" | "tolerated" | "failed" | "blocked" | "skipped";

/**
 * Works out from the definition's words alone how a run ends: written apart from the engine, so that the two can
 * disagree.
 * @param gate what the suite decides where a step asks for it.
 */
export function expectRun(steps: ChaosSteps, gate: "approve" | "reject"): Expectation {
  const states = new Map<string, State>();
  const failures = new Set<string>();
  const enter = (list: readonly ChaosStep[], isWanted: boolean): void => {
    for (const step of inOrder(list)) {
      const state = isWanted ? judge(step, states, gate) : "skipped";
      states.set(step.id, state);
      if (state === "failed") failures.add(codeOf(step));
    }
  };
  enter(steps.main, true);
  enter(steps.onFailure ?? [], failures.size > 0);
  enter(steps.finally ?? [], true);
  const shown = [...states].map(([id, state]) => [id, SHOWN[state]] as const);
  return { status: failures.size > 0 ? "failed" : "succeeded", steps: new Map(shown), codes: failures };
}

const SHOWN = {
  succeeded: "succeeded",
  tolerated: "failed",
  failed: "failed",
  blocked: "skipped",
  skipped: "skipped",
} as const;

function judge(step: ChaosStep, states: ReadonlyMap<string, State>, gate: "approve" | "reject"): State {
  const before = dependenciesOf(step).map((id) => states.get(id) ?? "succeeded");
  const hasFailure = before.some((state) => state === "failed" || state === "tolerated" || state === "blocked");
  const isClear = before.every((state) => state === "succeeded" || state === "tolerated");
  const runAfter = step.fields["runAfter"] ?? "allSucceeded";
  if (runAfter === "anyFailed" && !hasFailure) return "skipped";
  if (runAfter === "allSucceeded" && !isClear) return hasFailure ? "blocked" : "skipped";
  if (step.fate === "succeeds") return "succeeded";
  if (step.fate === "skips") return "skipped";
  if (step.fate === "gate" && gate === "approve") return "succeeded";
  return step.fields["onError"] === "continue" ? "tolerated" : "failed";
}

function codeOf({ fate }: ChaosStep): string {
  return typeof fate === "object" ? fate.failsWith : "rejected";
}

function dependenciesOf({ fields }: ChaosStep): string[] {
  const written = (fields["dependsOn"] ?? []) as string[];
  const mappings = Object.values((fields["inputs"] ?? {}) as Record<string, { step?: string }>);
  const mapped = mappings.flatMap(({ step }) => (step === undefined ? [] : [step]));
  const each = fields["forEach"] as { step?: string } | undefined;
  return [...written, ...mapped, ...(each?.step === undefined ? [] : [each.step])];
}

/** Steps after those that they wait for. */
function inOrder(list: readonly ChaosStep[]): ChaosStep[] {
  const own = new Set(list.map((step) => step.id));
  const done = new Map<string, ChaosStep>();
  while (done.size < list.length) {
    const next = list.filter(
      (step) => !done.has(step.id) && dependenciesOf(step).every((id) => done.has(id) || !own.has(id)),
    );
    if (next.length === 0) throw new Error("the steps wait for each other");
    for (const step of next) done.set(step.id, step);
  }
  return [...done.values()];
}
