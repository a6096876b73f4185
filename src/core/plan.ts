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
  /** A run of another workflow: the step lasts as long as that run, and holds no worker meanwhile. */
  | {
      readonly kind: "workflow";
      readonly workflowId: string;
      readonly versionId: string;
      readonly name: string;
      readonly version: number;
    }
  | { readonly kind: "builtin"; readonly name: BuiltinName };

/** The steps that Headrace brings along. */
export const BUILTIN_NAMES = ["noop", "wait", "approval", "http", "sql"] as const;
export type BuiltinName = (typeof BUILTIN_NAMES)[number];

/** When a list of steps runs: `steps` of a workflow, its `onFailure` once they have failed, its `finally` last. */
export const PHASES = ["main", "onFailure", "finally"] as const;
export type Phase = (typeof PHASES)[number];

/** How many runs with the same key may be under way, and what becomes of one too many. */
export interface ConcurrencyRule {
  readonly limit: number;
  /** An expression over `{ input }`; undefined: all runs of the workflow share one key. */
  readonly key?: string;
  readonly onConflict: "queue" | "skip" | "cancelRunning";
}

/** How many runs with the same key may start within `seconds`; the others wait. */
export interface RateLimitRule {
  readonly limit: number;
  readonly seconds: number;
  /** An expression over `{ input }`; undefined: all runs of the workflow share one key. */
  readonly key?: string;
}

/** How long a step's result may stand in for running it again. */
export interface CacheRule {
  readonly ttlSeconds: number;
  /** An expression; undefined: the step's inputs. */
  readonly key?: string;
}

/** One step of a compiled workflow version. */
export interface PlanStep {
  readonly id: string;
  /** Place in the definition; names the step everywhere inside the engine. */
  readonly index: number;
  readonly target: StepTarget;
  readonly inputs: Readonly<Record<string, InputMapping>>;
  /** The run's whole input is the step's input (test runs of a component). */
  readonly wholeInput?: true;
  /** Undefined: `main`. Steps of a later phase are judged once the phases before it have ended. */
  readonly phase?: Exclude<Phase, "main">;
  /** Indices of the steps of the same phase that this one waits for: from `dependsOn`, inputs, `when` and expressions. */
  readonly dependencies: readonly number[];
  /** Indices of the steps of earlier phases that its inputs read: they have ended by then. */
  readonly reads?: readonly number[];
  /** Indices of the steps of the same phase that wait for this one. */
  readonly dependants: readonly number[];
  readonly when?: string;
  /** An array: the step runs once for each item, and its output is the array of theirs, in order. */
  readonly forEach?: InputMapping;
  /** Items of `forEach` under way at once; undefined: {@link DEFAULT_MAX_PARALLEL}. */
  readonly maxParallel?: number;
  readonly cache?: CacheRule;
  readonly runAfter: RunAfter;
  readonly retry: RetryPolicy;
  /** Seconds of execution per attempt; undefined: the component's own. */
  readonly timeoutSeconds?: number;
  /** Seconds an attempt may wait for a worker. */
  readonly queueTimeoutSeconds?: number;
  readonly onError: "fail" | "continue";
  readonly workerGroup: string;
  readonly priority: number;
  /** The step lasts until the app that it starts sends values back. */
  readonly waitForSubmit?: true;
}

/** A workflow version compiled for the engine: immutable, kept beside the definition it came from. */
export interface RunPlan {
  readonly steps: readonly PlanStep[];
  /** Undefined: the outputs of the last steps (those that nothing depends on), by step id. */
  readonly outputs?: Readonly<Record<string, InputMapping>>;
  /** Seconds the whole run may take. */
  readonly timeoutSeconds?: number;
  readonly concurrency?: ConcurrencyRule;
  readonly rateLimit?: RateLimitRule;
}

/** Items of one `forEach` under way at once where the step does not say. */
export const DEFAULT_MAX_PARALLEL = 100;

/** The phase of a step. */
export function phaseOf(step: PlanStep): Phase {
  return step.phase ?? "main";
}

/** The steps of the main phase that nothing depends on: a run's default output is theirs. */
export function lastSteps(plan: RunPlan): PlanStep[] {
  return plan.steps.filter((step) => step.dependants.length === 0 && phaseOf(step) === "main");
}
