import { cacheableStep } from "./cacheable-step.js";
import { deprecatedComponent } from "./deprecated-component.js";
import type { FindingRule } from "./finding-rule.js";
import { largePayload } from "./large-payload.js";
import { missingErrorHandling } from "./missing-error-handling.js";
import { missingRetry } from "./missing-retry.js";
import { missingTimeout } from "./missing-timeout.js";
import { outdatedComponent } from "./outdated-component.js";
import { plainSecret } from "./plain-secret.js";
import { scheduleClash } from "./schedule-clash.js";
import { schemaMismatch } from "./schema-mismatch.js";
import { sequentialSteps } from "./sequential-steps.js";
import { shortTimeout } from "./short-timeout.js";
import { slowStep } from "./slow-step.js";
import { unusedOutput } from "./unused-output.js";

/** Every kind of finding, one line each. */
export const findingRules: readonly FindingRule[] = [
  schemaMismatch,
  plainSecret,
  missingRetry,
  missingTimeout,
  shortTimeout,
  missingErrorHandling,
  deprecatedComponent,
  outdatedComponent,
  scheduleClash,
  sequentialSteps,
  cacheableStep,
  slowStep,
  largePayload,
  unusedOutput,
];
