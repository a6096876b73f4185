import type { JsonValue } from "./json.js";
import type { RunError, RunStatus, StepStatus } from "./statuses.js";
import type { StepStates } from "./step-states.js";

/** Names one step run within its run; `itemIndex` is −1 outside of `forEach`. */
export interface StepKey {
  readonly stepIndex: number;
  readonly itemIndex: number;
}

/** What a run's row says, under its lock. */
export interface RunState {
  readonly id: string;
  readonly status: RunStatus;
  readonly states: StepStates;
  /** The first untolerated failure so far: what a failed run reports. */
  readonly error: RunError | null;
}

/** What a step run's row says, under its run's lock. */
export interface StepState extends StepKey {
  readonly status: StepStatus;
  readonly attempt: number;
  /** Attempts that ended because their worker died, and those given back by a stopping one: neither is charged. */
  readonly lostCount: number;
  readonly releasedCount: number;
  readonly leaseToken: string | null;
  /** Milliseconds by the database's clock until it may start; 0 when it may. */
  readonly waitMs: number;
}

/** An event before it has its number. */
export interface EventDraft {
  readonly type: string;
  readonly stepId?: string;
  readonly itemIndex?: number;
  readonly attempt?: number;
  readonly data: JsonValue;
}

/** Something that happens to a run. Those with a token are fenced: an old token is refused. */
export type Transition =
  /** A worker takes a queued attempt. */
  | (StepKey & {
      readonly kind: "claim";
      readonly attempt: number;
      readonly token: string;
      readonly workerId: string;
      readonly sandboxLevel: string;
    })
  /** A queued step's `when` is false. */
  | (StepKey & { readonly kind: "skip"; readonly attempt: number })
  /** A queued step cannot start: its `when` fails, or it waited too long. */
  | (StepKey & { readonly kind: "failQueued"; readonly attempt: number; readonly error: RunError })
  | (StepKey & {
      readonly kind: "succeed";
      readonly token: string;
      readonly output: JsonValue;
      readonly outputArtifactId?: string;
      readonly inputs?: JsonValue;
    })
  | (StepKey & {
      readonly kind: "fail";
      readonly token: string;
      readonly error: RunError;
      readonly isRetryable: boolean;
      readonly inputs?: JsonValue;
    })
  /** Logs, progress and tokens of a running attempt, and its inputs once they are known. */
  | (StepKey & {
      readonly kind: "report";
      readonly token: string;
      readonly events: readonly EventDraft[];
      readonly inputs?: JsonValue;
    })
  /** The worker that ran it is gone. */
  | (StepKey & { readonly kind: "lose"; readonly token: string })
  /** The worker gives it back unfinished, because it stops. */
  | (StepKey & { readonly kind: "release"; readonly token: string })
  | { readonly kind: "cancel" }
  /** The run has taken longer than it may. */
  | { readonly kind: "expire"; readonly error: RunError }
  /** All steps have ended and the run's outputs are mapped (or cannot be). */
  | { readonly kind: "close"; readonly output: JsonValue; readonly error?: RunError };

/** A change to one step run's row. */
export type StepChange = StepKey &
  (
    | {
        readonly type: "start";
        readonly token: string;
        readonly workerId: string;
        readonly sandboxLevel: string;
      }
    | {
        readonly type: "queue";
        readonly attempt: number;
        readonly delayMs: number;
        readonly lostCount: number;
        readonly releasedCount: number;
      }
    | {
        readonly type: "end";
        readonly status: StepStatus;
        readonly output?: JsonValue;
        readonly outputArtifactId?: string;
        readonly error?: RunError;
        readonly inputs?: JsonValue;
      }
    | { readonly type: "inputs"; readonly inputs: JsonValue }
    /** The ended attempt is kept before the next takes the row. */
    | { readonly type: "archive"; readonly attempt: number; readonly error: RunError }
  );

/** A step attempt to be put on its queue once the transition is committed. */
export interface DispatchDraft extends StepKey {
  readonly attempt: number;
  readonly delayMs: number;
}

/** Why nothing happened. `early` is the only one worth trying again. */
export type Refusal =
  | { readonly reason: "stale" | "ended" }
  | { readonly reason: "early"; readonly waitMs: number };

/** What a transition does: facts to be written in one transaction, and what follows the commit. */
export interface Advance {
  readonly refusal?: Refusal;
  readonly status: RunStatus;
  readonly hasStarted: boolean;
  /** The run's error, once a step has failed it. */
  readonly error: RunError | null;
  /** Set when the run has ended; without `output` it is collected from the last steps. */
  readonly ended?: { readonly output?: JsonValue };
  /** All steps have ended and the workflow maps its outputs: a `close` has to follow. */
  readonly isClosing: boolean;
  readonly changes: readonly StepChange[];
  readonly events: readonly EventDraft[];
  readonly dispatches: readonly DispatchDraft[];
  /** Attempts of this run may still be running somewhere: tell the workers. */
  readonly mustStop: boolean;
}
