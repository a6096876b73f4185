import { createHash } from "node:crypto";
import { toCanonicalJson } from "../../core/canonical-json.js";
import type { JsonValue } from "../../core/json.js";
import type { RunPlan } from "../../core/plan.js";
import { type FieldFault, invalidFields } from "../../errors/app-error.js";
import { EvaluationError, type SafeEvaluator } from "../evaluation-types.js";

/** The keys of one run, where its workflow has the rules for them. */
export interface AdmissionKeys {
  readonly concurrencyKey?: string;
  readonly rateKey?: string;
}

/** Longer keys are cut and end in their hash: they stand in an index. */
const MOST_CHARS = 200;
const KEPT_CHARS = 120;

/**
 * Evaluates the keys of a run over `{ input }`.
 * @throws AppError INVALID_FIELDS at `/input`, with every key that fails.
 */
export async function evaluateKeys(
  evaluator: Pick<SafeEvaluator, "evaluate">,
  plan: RunPlan,
  input: JsonValue,
): Promise<AdmissionKeys> {
  const faults: FieldFault[] = [];
  async function evaluate(rule: { readonly key?: string } | undefined, what: string): Promise<string> {
    if (rule?.key === undefined) return "";
    try {
      return toKey(await evaluator.evaluate(rule.key, { input }));
    } catch (error) {
      if (!(error instanceof EvaluationError)) throw error;
      faults.push({ path: "/input", message: `the key of the workflow's ${what} failed: ${error.message}` });
      return "";
    }
  }
  const concurrencyKey = await evaluate(plan.concurrency, "concurrency");
  const rateKey = await evaluate(plan.rateLimit, "rateLimit");
  if (faults.length > 0) throw invalidFields(faults);
  return { ...(plan.concurrency ? { concurrencyKey } : {}), ...(plan.rateLimit ? { rateKey } : {}) };
}

/** A key as text: a missing value is the empty key; what is no scalar is its JSON. Equal values give equal keys. */
export function toKey(value: JsonValue | undefined): string {
  if (value === undefined) return "";
  const text = typeof value === "string" ? value : toCanonicalJson(value);
  // PostgreSQL's text holds neither NUL nor half of a surrogate pair
  const storable = Buffer.from(text.replaceAll("\u0000", "\ufffd")).toString();
  if (storable.length <= MOST_CHARS) return storable;
  const hash = createHash("sha256").update(storable).digest("hex");
  return `${Buffer.from(storable.slice(0, KEPT_CHARS)).toString()}…${hash}`;
}
