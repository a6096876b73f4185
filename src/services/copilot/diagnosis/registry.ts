import type { DiagnosisRule } from "./failure.js";
import { missingModule } from "./missing-module.js";
import { otherCodes } from "./other-codes.js";
import { outOfMemory } from "./out-of-memory.js";
import { scriptFault } from "./script-fault.js";
import { timeOver } from "./time-over.js";
import { upstreamFault } from "./upstream-fault.js";
import { wrongInput } from "./wrong-input.js";

/** What explains failures, the most particular first. */
export const diagnosisRules: readonly DiagnosisRule[] = [
  missingModule,
  outOfMemory,
  timeOver,
  wrongInput,
  upstreamFault,
  scriptFault,
  otherCodes,
];
