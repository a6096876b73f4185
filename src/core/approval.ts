import type { JsonValue } from "./json.js";
import type { Role } from "./permissions.js";
import { ROLES } from "./permissions.js";
import type { ApprovalDecisionFact } from "./transition.js";

/** What an approval asks for, and what was decided so far. */
export interface ApprovalState {
  readonly message?: string;
  /** JSON Schema of the values that an approver fills in. */
  readonly form?: JsonValue;
  /** Who may decide: anyone with one of these roles or a stronger one, and these people by e-mail; both empty: everyone. */
  readonly roles: readonly Role[];
  readonly users: readonly string[];
  /** How many have to approve. */
  readonly required: number;
  /** Whether the person who started the run may decide. */
  readonly allowSelfApproval: boolean;
  readonly onExpiry: "reject" | "approve" | "fail";
  readonly decisions: readonly ApprovalDecisionFact[];
  /**
   * Of a step that had begun and needs approval to go on: what this approval is good for, and those that it has
   * already. Once approved the step begins anew, and whoever asked finds these here.
   */
  readonly grants?: readonly string[];
}

/** Whether this person is one of an approval's approvers. */
export function isApprover(approval: ApprovalState, person: { role: Role; email: string }): boolean {
  if (approval.roles.length === 0 && approval.users.length === 0) return true;
  const rank = ROLES.indexOf(person.role);
  const hasRole = approval.roles.some((role) => rank >= ROLES.indexOf(role));
  return hasRole || approval.users.some((user) => user.toLowerCase() === person.email.toLowerCase());
}

/** How many have approved. */
export function countApprovals(approval: ApprovalState): number {
  return approval.decisions.filter(({ decision }) => decision === "approve").length;
}

/** The output of an approved step: who said what, and the values of all, later ones before earlier ones. */
export function toApprovalOutput(approval: ApprovalState, isExpired: boolean): JsonValue {
  const values: { [name: string]: JsonValue } = {};
  for (const { values: given } of approval.decisions) Object.assign(values, given);
  return {
    approved: true,
    ...(isExpired ? { expired: true } : {}),
    values,
    decisions: approval.decisions.map(({ userId, name, at, comment }) => ({
      userId,
      name,
      at,
      ...(comment === undefined ? {} : { comment }),
    })),
  };
}
