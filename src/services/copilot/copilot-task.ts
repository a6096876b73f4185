import type { Candidate } from "./candidate.js";
import type { ModelPrompt } from "./model/build-prompt.js";
import type { GateRules } from "./patches/pass-gate.js";

/** One call of the copilot, prepared: what analysis has found, and what a model is to be asked. */
export interface CopilotTask {
  /** The call's name in its path. */
  readonly purpose: string;
  readonly rules: GateRules;
  readonly findings: readonly Candidate[];
  readonly prompt: ModelPrompt;
}
