import type { ApprovalState } from "./approval.js";
import type { JsonValue } from "./json.js";
import type { PlanStep } from "./plan.js";
import type { RunError, RunStatus, StepStatus } from "./statuses.js";
import type { StepStates } from "./step-states.js";

/** Names one step run within its run; `itemIndex` is −1 outside of `forEach`, and for the step as a whole. */
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
  /** How it will end once its `finally` steps have: it was stopped. */
  readonly ending: "canceled" | "failed" | null;
  /** The runs above this one. */
  readonly depth: number;
}

/** How far a `forEach` is: exact, since it changes only under the run's lock, with the items themselves. */
export interface FanOut {
  readonly total: number;
  /** Items 0 to `next` − 1 were queued. */
  readonly next: number;
  readonly ended: number;
  readonly failed: number;
  /** The first failure. */
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
  /** Of the row that stands for a whole `forEach`, once its items are known. */
  readonly fanOut: FanOut | null;
  /** The run that the step waits for. */
  readonly childRunId: string | null;
  readonly approval: ApprovalState | null;
  /** By the database's clock: its wait, expiry or time limit is over. */
  readonly isDue: boolean;
}

/** An item of a `forEach` that has begun and has not ended: at most `maxParallel` of each. */
export interface OpenItem extends StepKey {
  readonly attempt: number;
}

/** An event before it has its number. */
export interface EventDraft {
  readonly type: string;
  readonly stepId?: string;
  readonly itemIndex?: number;
  readonly attempt?: number;
  readonly data: JsonValue;
}

/** What a step without effects comes to. */
export interface AtHand {
  readonly inputs: JsonValue;
  readonly output: JsonValue;
}

/** A worker that is about to be free: it may go on with a step of the same run without a trip through the queue. */
export interface FreeWorker {
  readonly token: string;
  readonly workerId: string;
  readonly sandboxLevel: string;
  /** Whether it may take this step. Pure. */
  accepts(step: PlanStep): boolean;
  /**
   * What a step that it accepts comes to, if that needs neither time nor means; undefined: it has to be run. Pure.
   * @param outputOf outputs of the steps that end in this very transition, by their index; undefined: it is no such.
   */
  perform?(step: PlanStep, outputOf: (stepIndex: number) => JsonValue | undefined): AtHand | undefined;
}

/** Until when, or for whom, a step waits. */
export interface Hold {
  /** Milliseconds from now, by the database's clock. */
  readonly dueMs?: number;
  /** ISO 8601; instead of `dueMs`. */
  readonly dueAt?: string;
  readonly approval?: ApprovalState;
  /** What people are told: `reason`, `detail` and what else there is. */
  readonly waitingFor: { readonly [name: string]: JsonValue };
  readonly inputs: JsonValue;
}

/** Ends a run's steps; a second one ends its `finally` steps too. */
export interface Stop {
  /**
   * What the run's `ending` was when this stop was decided on: refused when it is another by now. Whoever may come
   * twice with one wish has to say it. Without it every stop counts: people may stop a run twice.
   */
  readonly ifEnding?: RunState["ending"];
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
  /** A queued attempt begins and succeeds in one: it has no effect that would have to wait for a claim. */
  | (StepKey & {
      readonly kind: "perform";
      readonly attempt: number;
      readonly token: string;
      readonly workerId: string;
      readonly sandboxLevel: string;
      readonly inputs: JsonValue;
      readonly output: JsonValue;
      /** What the worker may go on with. */
      readonly next?: FreeWorker;
    })
  /** A queued step's `when` is false. */
  | (StepKey & { readonly kind: "skip"; readonly attempt: number })
  /** A queued step cannot start: its `when` fails, or it waited too long. */
  | (StepKey & { readonly kind: "failQueued"; readonly attempt: number; readonly error: RunError })
  /** The items of a queued `forEach` are known. */
  | (StepKey & { readonly kind: "expand"; readonly attempt: number; readonly items: readonly JsonValue[] })
  /** All items of a `forEach` have ended; this is their array. */
  | (StepKey & {
      readonly kind: "join";
      readonly output: JsonValue;
      readonly outputArtifactId?: string;
      readonly error?: RunError;
    })
  /** A queued step begins to wait, for time or for people. */
  | (StepKey & { readonly kind: "hold"; readonly attempt: number; readonly hold: Hold })
  /** A running attempt goes on without its worker's slot: it waits for people, and keeps its token. */
  | (StepKey & { readonly kind: "suspend"; readonly token: string; readonly hold: Hold })
  /** What a step waits for by the clock is due. */
  | (StepKey & { readonly kind: "wake" })
  | (StepKey & { readonly kind: "decide"; readonly decision: ApprovalDecisionFact })
  /** A queued step starts a run of another workflow, which is created in the same transaction. */
  | (StepKey & {
      readonly kind: "call";
      readonly attempt: number;
      readonly childRunId: string;
      readonly inputs: JsonValue;
      readonly timeoutSeconds?: number;
    })
  /** That run has ended. */
  | (StepKey & {
      readonly kind: "return";
      readonly childRunId: string;
      readonly status: RunStatus;
      readonly output: JsonValue;
      readonly error: RunError | null;
    })
  /** A running attempt needs approval before it may go on: it ends, and the step begins anew once it has that. */
  | (StepKey & { readonly kind: "pause"; readonly token: string; readonly hold: Hold })
  | (StepKey & {
      readonly kind: "succeed";
      readonly token: string;
      readonly output: JsonValue;
      readonly outputArtifactId?: string;
      readonly inputs?: JsonValue;
      readonly isCacheHit?: boolean;
      /** What the worker may go on with. */
      readonly next?: FreeWorker;
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
  /** The worker that ran it is gone. It comes back after `delayMs`, at once if there is none. */
  | (StepKey & { readonly kind: "lose"; readonly token: string; readonly delayMs?: number })
  /** The worker gives it back unfinished, because it stops. */
  | (StepKey & { readonly kind: "release"; readonly token: string })
  /** A held run's turn has come. */
  | { readonly kind: "admit" }
  | (Stop & { readonly kind: "cancel"; readonly reason?: string })
  /** The run has taken longer than it may. */
  | (Stop & { readonly kind: "expire"; readonly error: RunError })
  /** All steps have ended and the run's outputs are mapped (or cannot be). */
  | { readonly kind: "close"; readonly output: JsonValue; readonly error?: RunError };

/** What one person decided. */
export interface ApprovalDecisionFact {
  readonly decision: "approve" | "reject";
  readonly userId: string;
  readonly name: string;
  /** ISO 8601. */
  readonly at: string;
  readonly comment?: string;
  readonly values?: JsonValue;
}

/** The transitions that name a step. */
export type StepTransition = Extract<Transition, StepKey>;

/** A change to one step run's row. */
export type StepChange = StepKey &
  (
    | {
        readonly type: "start";
        readonly token: string;
        readonly workerId: string;
        readonly sandboxLevel: string;
        /** It was not on the queue: queued and started in one. */
        readonly isEager: boolean;
      }
    | {
        readonly type: "queue";
        readonly attempt: number;
        readonly delayMs: number;
        readonly lostCount: number;
        readonly releasedCount: number;
      }
    /** A row of its own for one item; with `start` it is running at once. */
    | { readonly type: "addItem"; readonly start?: Omit<FreeWorker, "accepts"> }
    | {
        readonly type: "end";
        readonly status: StepStatus;
        readonly output?: JsonValue;
        readonly outputArtifactId?: string;
        readonly error?: RunError;
        readonly inputs?: JsonValue;
        readonly isCacheHit?: boolean;
      }
    /** All items that have not ended. */
    | { readonly type: "cancelItems"; readonly error: RunError }
    | { readonly type: "expand"; readonly items: readonly JsonValue[] }
    | { readonly type: "fanOut"; readonly fanOut: FanOut }
    | { readonly type: "hold"; readonly hold: Hold }
    | { readonly type: "approval"; readonly approval: ApprovalState }
    | {
        readonly type: "call";
        readonly childRunId: string;
        readonly inputs: JsonValue;
        readonly timeoutSeconds?: number;
      }
    | { readonly type: "inputs"; readonly inputs: JsonValue }
    /** The ended attempt is kept before the next takes the row. */
    | { readonly type: "archive"; readonly attempt: number; readonly error: RunError }
  );

/** A step attempt to be put on its queue once the transition is committed. */
export interface DispatchDraft extends StepKey {
  readonly attempt: number;
  /** Absent: no worker has died under the step. */
  readonly lostCount?: number;
  readonly delayMs: number;
}

/** Why nothing happened. `early` is the only one worth trying again. */
export type Refusal =
  | { readonly reason: "stale" | "ended" | "decided" }
  | { readonly reason: "early"; readonly waitMs: number };

/** What a transition does: facts to be written in one transaction, and what follows the commit. */
export interface Advance {
  /** With changes beside it, they are written nevertheless: the claim of an item that is not wanted any more. */
  readonly refusal?: Refusal;
  readonly status: RunStatus;
  readonly hasStarted: boolean;
  /** The run's error, once a step has failed it. */
  readonly error: RunError | null;
  readonly ending: RunState["ending"];
  /** Set when the run has ended; without `output` it is collected from the last steps. */
  readonly ended?: { readonly output?: JsonValue };
  /** All steps have ended and the workflow maps its outputs: a `close` has to follow. */
  readonly isClosing: boolean;
  /** The `forEach` whose items have all ended: a `join` has to follow. */
  readonly joining?: number;
  /** What the free worker goes on with. */
  readonly continued?: StepKey;
  /** How many steps beside the named one began and ended in this transition. */
  readonly performed: number;
  readonly changes: readonly StepChange[];
  readonly events: readonly EventDraft[];
  readonly dispatches: readonly DispatchDraft[];
  /** The run had no job left: its dispatches begin a new flow. */
  readonly isNewFlow: boolean;
  /** Attempts of steps before this index may still be running somewhere: tell the workers. */
  readonly stopBelow?: number;
}
