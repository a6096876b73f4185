import type { JsonValue } from "./json.js";

/** Where one input of a step comes from. Exactly one kind. */
export type InputMapping =
  | { readonly input: string }
  | { readonly step: string; readonly output: string }
  | { readonly value: JsonValue }
  | { readonly secret: string }
  | { readonly expression: string };

/** When a step may start, judged once all its dependencies have ended. */
export type RunAfter = "allSucceeded" | "allDone" | "anyFailed";

/** How often and how patiently a failed step is tried again. */
export interface RetryPolicy {
  /** Tries in all, the first included. */
  readonly maxAttempts: number;
  readonly backoff: "fixed" | "exponential";
  readonly delaySeconds: number;
  readonly maxDelaySeconds: number;
  readonly jitter: boolean;
}

/** What a step runs, with every name resolved and every version pinned. */
export type StepTarget =
  | {
      readonly kind: "mcp";
      readonly mcpVersionId: string;
      readonly name: string;
      readonly version: string;
      readonly mcpType: string;
    }
  | { readonly kind: "builtin"; readonly name: "noop" };

/** One step of a compiled workflow version. */
export interface PlanStep {
  readonly id: string;
  /** Place in the definition; names the step everywhere inside the engine. */
  readonly index: number;
  readonly target: StepTarget;
  readonly inputs: Readonly<Record<string, InputMapping>>;
  /** The run's whole input is the step's input (test runs of a component). */
  readonly wholeInput?: true;
  /** Indices of the steps that this one waits for: from `dependsOn`, inputs, `when` and expressions. */
  readonly dependencies: readonly number[];
  /** Indices of the steps that wait for this one. */
  readonly dependants: readonly number[];
  readonly when?: string;
  readonly runAfter: RunAfter;
  readonly retry: RetryPolicy;
  /** Seconds of execution per attempt; undefined: the component's own. */
  readonly timeoutSeconds?: number;
  /** Seconds an attempt may wait for a worker. */
  readonly queueTimeoutSeconds?: number;
  readonly onError: "fail" | "continue";
  readonly workerGroup: string;
  readonly priority: number;
}

/** A workflow version compiled for the engine: immutable, kept beside the definition it came from. */
export interface RunPlan {
  readonly steps: readonly PlanStep[];
  /** Undefined: the outputs of the last steps (those that nothing depends on), by step id. */
  readonly outputs?: Readonly<Record<string, InputMapping>>;
  /** Seconds the whole run may take. */
  readonly timeoutSeconds?: number;
}

/** The steps that nothing depends on: a run's default output is theirs. */
export function lastSteps(plan: RunPlan): PlanStep[] {
  return plan.steps.filter((step) => step.dependants.length === 0);
}
