import type { JsonObject, JsonValue } from "../core/json.js";
import type { FieldFault } from "../errors/app-error.js";

/** What is known of an expression without evaluating it. */
export interface ExpressionFacts {
  /** Why a workflow may not hold it; a sentence without its subject. */
  readonly error?: string;
  /** Ids of the steps that it reads. */
  readonly stepIds: string[];
  /** The names that it reads at its root: `input`, `steps`, `run`, `item`, `itemIndex`. */
  readonly rootNames: string[];
}

/** What is known of a Liquid template without rendering it. */
export interface TemplateFacts {
  /** Why it is none; a sentence without its subject. */
  readonly error?: string;
  /** The names that it reads and does not set itself. */
  readonly variables: string[];
}

/**
 * Evaluates what users write: JSONata expressions, JSON Schemas and Liquid templates. All are programs, so they run in a
 * process of their own with a memory limit, that is killed when it overruns its time (security notes, 1.9).
 */
export interface SafeEvaluator {
  /**
   * The value of a JSONata expression over `{ input, steps, run, item, itemIndex }`; undefined when it has none.
   * @throws EvaluationError when it fails, takes longer than `timeoutMs` (default 1000) or too much memory.
   */
  evaluate(
    expression: string,
    bindings: { [name: string]: JsonValue | undefined },
    timeoutMs?: number,
  ): Promise<JsonValue | undefined>;
  /**
   * Faults of a value against a JSON Schema 2020-12; `path` is a JSON Pointer into the value. A check that takes
   * longer than `timeoutMs` (default 1000) or too much memory is a fault of the whole value.
   */
  validate(schema: JsonValue, value: JsonValue, timeoutMs?: number): Promise<FieldFault[]>;
  /** Why a text is no JSONata expression, or undefined. Also the step ids it reads as `steps.<id>`. */
  inspectExpression(expression: string): Promise<ExpressionFacts>;
  /**
   * The facts of each expression, in order; thousands cost few round trips. `names`: what there is at the root of
   * expressions that are not a workflow's.
   */
  inspectExpressions(expressions: readonly string[], names?: readonly string[]): Promise<ExpressionFacts[]>;
  /** Faults of a JSON Schema itself; `path` is a JSON Pointer into the schema. */
  inspectSchema(schema: JsonValue): Promise<FieldFault[]>;
  /**
   * The text of a Liquid template; it reads these variables and no file. A variable that is not there is an error,
   * except in a condition and before the filter `default`.
   * @throws EvaluationError when it fails, takes longer than `timeoutMs` (default 1000) or too much memory.
   */
  renderTemplate(template: string, variables: JsonObject, timeoutMs?: number): Promise<string>;
  inspectTemplate(template: string): Promise<TemplateFacts>;
  close(): Promise<void>;
}

/** An expression or a schema that failed or overran its limits. The message is fit for users. */
export class EvaluationError extends Error {
  constructor(message: string, options: { cause?: unknown } = {}) {
    super(message, options);
    this.name = "EvaluationError";
  }
}
