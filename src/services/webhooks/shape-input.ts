import type { DeliveryMapping } from "../../contracts/api/webhooks.js";
import { resolvePointer } from "../../core/json-pointer.js";
import type { JsonObject, JsonValue } from "../../core/json.js";
import { AppError, type FieldFault } from "../../errors/app-error.js";
import { isTruthy } from "../engine/resolve-inputs.js";
import { EvaluationError, type SafeEvaluator } from "../evaluation-types.js";

/** What filters and mappings read of a delivery. */
export type DeliveryFacts = {
  readonly body: JsonValue;
  /** By lower-case name. */
  readonly headers: JsonObject;
  readonly query: JsonObject;
};

/** What a webhook does with a delivery before a run is started. */
export interface Shape {
  readonly filter: string | null;
  readonly input: Readonly<Record<string, DeliveryMapping>> | null;
}

/** Names that the expressions of webhooks may read at their root. */
export const DELIVERY_NAMES = ["body", "headers", "query"] as const;

/** Once the expressions of one delivery have taken this long, no further one is begun: each may take a second. */
const PATIENCE_MS = 1000;

/**
 * The input that a delivery gives its run, or undefined when the filter leaves it out.
 * @throws AppError INVALID_FIELDS when the filter or a mapping cannot be evaluated. The sender is told which, the
 * `cause` has the reason: it may quote what the webhook's author compares with.
 */
export async function shapeInput(
  evaluator: SafeEvaluator,
  shape: Shape,
  facts: DeliveryFacts,
): Promise<JsonValue | undefined> {
  const evaluate = createImpatientEvaluation(evaluator, facts);
  if (shape.filter !== null && !(await passes(evaluate, shape.filter))) return undefined;
  if (shape.input === null) return facts.body;
  const input: JsonObject = {};
  const failed: { fault: FieldFault; cause: EvaluationError }[] = [];
  for (const [name, mapping] of Object.entries(shape.input)) {
    try {
      const value = "expression" in mapping ? await evaluate(mapping.expression) : read(mapping, facts);
      if (value !== undefined) input[name] = value;
    } catch (cause) {
      if (!(cause instanceof EvaluationError)) throw cause;
      const message = `the webhook's mapping to "${name}" could not be evaluated over this delivery`;
      failed.push({ fault: { path: "", message }, cause });
    }
  }
  if (failed.length > 0) throw unevaluable(failed);
  return input;
}

type Evaluate = (expression: string) => Promise<JsonValue | undefined>;

function createImpatientEvaluation(evaluator: SafeEvaluator, facts: DeliveryFacts): Evaluate {
  const startedAtMs = performance.now();
  return async (expression) => {
    if (performance.now() - startedAtMs > PATIENCE_MS) {
      throw new EvaluationError("the expressions before it took too long");
    }
    return await evaluator.evaluate(expression, { ...facts });
  };
}

async function passes(evaluate: Evaluate, filter: string): Promise<boolean> {
  try {
    return isTruthy(await evaluate(filter));
  } catch (cause) {
    if (!(cause instanceof EvaluationError)) throw cause;
    const message = "the webhook's filter could not be evaluated over this delivery";
    throw unevaluable([{ fault: { path: "", message }, cause }]);
  }
}

function unevaluable(failed: readonly { fault: FieldFault; cause: EvaluationError }[]): AppError {
  const faults = failed.map(({ fault }) => fault);
  const reasons = failed.map(({ fault, cause }) => `${fault.message}: ${cause.message}`);
  return new AppError("INVALID_FIELDS", faults[0]?.message ?? "", {
    faults,
    cause: new EvaluationError(reasons.join("; ")),
  });
}

function read(mapping: Exclude<DeliveryMapping, { expression: string }>, facts: DeliveryFacts) {
  if ("value" in mapping) return mapping.value;
  if ("body" in mapping) return resolvePointer(facts.body, mapping.body);
  const [names, name] = "header" in mapping ? [facts.headers, mapping.header] : [facts.query, mapping.query];
  return Object.hasOwn(names, name) ? names[name] : undefined;
}
