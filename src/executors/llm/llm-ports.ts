import type { JsonObject, JsonValue } from "../../core/json.js";

/** A model and what a million of its tokens cost. */
export interface LlmModelPrice {
  readonly name: string;
  readonly inputPricePerMillion: number;
  readonly outputPricePerMillion: number;
}

/** Where calls to language models go. */
export interface LlmProvider {
  readonly name: string;
  /** With its path, without a slash at the end. */
  readonly baseUrl: string;
  readonly apiKey: string | undefined;
  readonly headers: Readonly<Record<string, string>>;
  readonly models: readonly LlmModelPrice[];
}

/** Tokens and money. */
export interface LlmSpending {
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly cost: number;
}

/** A call to a language model before it is made. */
export interface PlannedCall {
  readonly runId: string;
  readonly stepId: string;
  /** −1 outside of `forEach`. */
  readonly itemIndex: number;
  readonly attempt: number;
  readonly provider: string;
  readonly model: string;
  /** What it may take. */
  readonly estimate: LlmSpending;
}

/** What is kept for a call until it is known what it took. */
export interface Reservation {
  /** Replaces the estimate by what was spent. Never rejects: what cannot be written leaves the estimate. */
  settle(spent: LlmSpending): Promise<void>;
  /** Nothing was spent. Never rejects. */
  cancel(): Promise<void>;
}

/** Records what is spent, and holds it against the budgets. */
export interface LlmLedger {
  /**
   * Reserves the estimate, so that calls made at the same time see each other.
   * @throws ExecutionError `rejected` when a budget is spent.
   */
  reserve(call: PlannedCall): Promise<Reservation>;
}

/** What LLM prompts need of the world beside the context of an execution. */
export interface LlmPorts {
  /**
   * The provider of that name; without a name the default one.
   * @throws ExecutionError `invalid_input` when there is none.
   */
  findProvider(name: string | undefined): Promise<LlmProvider>;
  readonly ledger: LlmLedger;
  /** The text of a Liquid template, or why there is none. */
  renderTemplate(
    template: string,
    variables: JsonObject,
  ): Promise<{ readonly text: string } | { readonly fault: string }>;
  /** Faults of a value against a JSON Schema; paths point into the value. */
  validate(
    schema: JsonValue,
    value: JsonValue,
  ): Promise<readonly { readonly path: string; readonly message: string }[]>;
}

/** What tokens of a model cost at a provider; models without a price are free. */
export function costOf(
  provider: Pick<LlmProvider, "models">,
  model: string,
  tokens: { readonly inputTokens: number; readonly outputTokens: number },
): number {
  const price = provider.models.find(({ name }) => name === model);
  if (!price) return 0;
  const { inputPricePerMillion, outputPricePerMillion } = price;
  const cost =
    (tokens.inputTokens * inputPricePerMillion + tokens.outputTokens * outputPricePerMillion) / 1e6;
  return Math.round(cost * 1e8) / 1e8;
}
