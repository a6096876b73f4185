import { countApprovals, toApprovalOutput } from "./approval.js";
import type { DraftStep, RunDraft } from "./run-draft.js";
import type { RunError } from "./statuses.js";
import { STATE } from "./step-states.js";
import type { Hold, Transition } from "./transition.js";

/** The step waits, for a time, a person or an app, and holds no worker. */
export function holdStep(draft: RunDraft, target: DraftStep, { hold }: { readonly hold: Hold }): void {
  const { stepIndex, itemIndex } = target.state;
  draft.setLetter(target, STATE.waiting);
  draft.startRun();
  draft.change({ type: "hold", stepIndex, itemIndex, hold });
  draft.stepEvent(target, "step.waiting", { ...hold.waitingFor });
}

/** The step waits as one that asks for approval does; what it was granted before stays with it. */
export function pauseStep(
  draft: RunDraft,
  target: DraftStep,
  { hold }: Extract<Transition, { kind: "pause" }>,
): void {
  const { stepIndex, itemIndex, approval: before } = target.state;
  const asked = hold.approval;
  const grants = [...(before?.grants ?? []), ...(asked?.grants ?? [])];
  const approval = asked && { ...asked, grants };
  draft.setLetter(target, STATE.waiting);
  draft.change({ type: "hold", stepIndex, itemIndex, hold: { ...hold, approval } });
  draft.stepEvent(target, "step.waiting", { ...hold.waitingFor });
}

/** Time is up: for a wait that is its success, for an approval what it says, for everything else its failure. */
export function wakeStep(draft: RunDraft, target: DraftStep, random: number): void {
  const { approval, childRunId, leaseToken } = target.state;
  if (childRunId !== null || leaseToken !== null) {
    const error = { code: "timeout", message: `The step took longer than its timeoutSeconds` } as const;
    return draft.failOrRetry(target, error, { isRetryable: true, random });
  }
  if (!approval) return draft.end(target, STATE.succeeded, {}, { output: {} });
  if (approval.onExpiry === "approve")
    return draft.end(
      target,
      STATE.succeeded,
      { expired: true },
      { output: toApprovalOutput(approval, true) },
    );
  const code = approval.onExpiry === "reject" ? "rejected" : "timeout";
  draft.fail(target, { code, message: "The approval expired before it was decided" }, {});
}

/** A person has decided: with the last approval that it takes the step goes on, with one rejection it has failed. */
export function decideStep(
  draft: RunDraft,
  target: DraftStep,
  { decision }: Extract<Transition, { kind: "decide" }>,
): void {
  const { state } = target;
  if (!state.approval) return;
  const approval = { ...state.approval, decisions: [...state.approval.decisions, decision] };
  const { stepIndex, itemIndex } = state;
  draft.change({ type: "approval", stepIndex, itemIndex, approval });
  const { name: by, comment } = decision;
  const told = { by, ...(comment === undefined ? {} : { comment }) };
  if (decision.decision === "reject") {
    const message = `Rejected by ${by}${comment === undefined ? "" : `: ${comment}`}`;
    return draft.fail(target, { code: "rejected", message }, {});
  }
  const approvals = countApprovals(approval);
  if (approvals >= approval.required && approval.grants) return resume(draft, target, by);
  if (approvals >= approval.required)
    return draft.end(
      target,
      STATE.succeeded,
      { approvedBy: by },
      { output: toApprovalOutput(approval, false) },
    );
  draft.stepEvent(target, "step.waiting", {
    reason: "approval",
    ...told,
    approvals,
    required: approval.required,
  });
}

/** The next attempt of a step that has what it asked for. The one that asked is not charged. */
function resume(draft: RunDraft, target: DraftStep, by: string): void {
  const { lostCount, releasedCount } = target.state;
  const error: RunError = {
    code: "canceled",
    message: `The attempt ended to wait for approval, which ${by} gave`,
  };
  draft.requeue(target, error, 0, { lostCount, releasedCount: releasedCount + 1 });
}
