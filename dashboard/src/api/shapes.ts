import type { infer as Infer } from "zod";
import type { meSchema } from "../../../src/contracts/api/auth.js";
import type {
  artifactRefSchema,
  runLogPageSchema,
  stepAttemptSchema,
} from "../../../src/contracts/api/runs.js";

/** One page of a list. */
export interface Page<Item> {
  readonly items: readonly Item[];
  readonly nextCursor: string | null;
}

/** Who is signed in, and what they may do. */
export type Me = Infer<typeof meSchema>;
/** One try of a step. */
export type StepAttempt = Infer<typeof stepAttemptSchema>;
/** A file that a step left. */
export type ArtifactRef = Infer<typeof artifactRefSchema>;
/** A page of log lines. */
export type RunLogPage = Infer<typeof runLogPageSchema>;
