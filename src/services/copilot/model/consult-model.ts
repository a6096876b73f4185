import type { Agent } from "undici";
import type { CopilotUsage, ModelOutcome, Suggestion } from "../../../contracts/api/copilot.js";
import { ApprovalNeededError, ExecutionError } from "../../../executors/types.js";
import type { LlmProvider } from "../../../executors/llm/llm-ports.js";
import type { RetryRules } from "../../../executors/llm/retry-exchange.js";
import type { CopilotLedger } from "../../llm-spending/copilot-ledger.js";
import { type GateRules, passGate } from "../patches/pass-gate.js";
import { askModel, type ModelQuestion, type ModelReply } from "./ask-model.js";
import { buildPrompt, type ModelPrompt } from "./build-prompt.js";
import type { ChosenModel } from "./find-model.js";
import { answerSchemaFor, readAnswer } from "./model-answer.js";
import { createProseReader } from "./prose-reader.js";

/** What consulting a model takes. */
export interface ConsultDeps {
  readonly agent: Agent;
  readonly ledger: CopilotLedger;
  findModel(): Promise<ChosenModel>;
  /** Milliseconds for everything together. */
  readonly timeLimitMs: number;
  readonly stallMs: number;
  readonly retryRules: RetryRules;
}

/** One consultation. */
export interface Consultation {
  readonly purpose: string;
  readonly userId: string | null;
  readonly rules: GateRules;
  readonly prompt: ModelPrompt;
  readonly signal: AbortSignal;
  onProse(text: string): void;
  onRestart(): void;
}

/** What came of it. It never rejects for what a model or its provider does. */
export interface ConsultResult {
  readonly suggestions: readonly Suggestion[];
  readonly summary?: string;
  readonly model?: string;
  readonly provider?: string;
  readonly usage?: CopilotUsage;
  readonly outcome: ModelOutcome;
}

/** The first answer, and one more when nothing in it could be used. */
const MOST_ROUNDS = 2;

/** Asks a model, and lets through what the gate lets through. @throws the signal's reason when it is aborted. */
export async function consultModel(deps: ConsultDeps, consultation: Consultation): Promise<ConsultResult> {
  const chosen = await deps.findModel();
  if ("missing" in chosen) {
    return { suggestions: [], outcome: { state: "not_configured", detail: chosen.missing, dropped: 0 } };
  }
  const usage = { inputTokens: 0, outputTokens: 0, cost: 0 };
  const limit = AbortSignal.timeout(deps.timeLimitMs);
  const named = { model: chosen.model, provider: chosen.provider.name };
  const spentSoFar = () => (usage.inputTokens + usage.outputTokens > 0 ? { usage: { ...usage } } : {});
  try {
    const answer = await converse(deps, consultation, { ...chosen, limit, usage });
    return { ...named, ...answer, usage };
  } catch (error) {
    consultation.signal.throwIfAborted();
    return {
      ...named,
      ...spentSoFar(),
      suggestions: [],
      outcome: describeFailure(error, limit, deps.timeLimitMs),
    };
  }
}

interface Conversation {
  readonly provider: LlmProvider;
  readonly model: string;
  readonly limit: AbortSignal;
  readonly usage: { inputTokens: number; outputTokens: number; cost: number };
}

type Messages = ModelQuestion["messages"][number][];

async function converse(
  deps: ConsultDeps,
  consultation: Consultation,
  conversation: Conversation,
): Promise<Pick<ConsultResult, "suggestions" | "summary" | "outcome" | "model">> {
  const { rules, prompt } = consultation;
  const answerSchema = answerSchemaFor(rules);
  const endsAtMs = performance.now() + deps.timeLimitMs;
  const messages: Messages = buildPrompt(prompt, answerSchema);
  let dropped = 0;
  for (let round = 1; round <= MOST_ROUNDS; round += 1) {
    if (round > 1) consultation.onRestart();
    const reply = await ask(deps, consultation, conversation, { messages, answerSchema, endsAtMs });
    const read = readAnswer(reply.text, rules);
    const judged =
      typeof read === "string" ? { faults: [read], suggestions: [], summary: "" } : await judge(read, rules);
    const { suggestions, summary, faults } = judged;
    if (typeof read !== "string") dropped += faults.length;
    if (suggestions.length > 0 || faults.length === 0) {
      const left = `${dropped} suggestions of the model were not valid and are left out.`;
      const detail = dropped > 0 ? left : "The model answered.";
      const outcome = { state: "used" as const, detail, dropped };
      return { suggestions, ...(summary && { summary }), model: reply.model, outcome };
    }
    messages.push(
      { role: "assistant", content: reply.text.slice(0, 20_000) },
      { role: "user", content: complain(faults) },
    );
  }
  consultation.onRestart();
  const detail = `The model gave nothing valid in ${MOST_ROUNDS} answers.`;
  return { suggestions: [], outcome: { state: "failed", detail, dropped } };
}

function complain(faults: readonly string[]): string {
  const listed = faults.slice(0, 20).join("\n").slice(0, 8_000);
  return `Nothing of that can be used:\n${listed}\nAnswer again, by the schema, with what is valid or with no suggestions.`;
}

/** One round, its prose passed on as it comes. */
async function ask(
  deps: ConsultDeps,
  consultation: Consultation,
  { provider, model, limit, usage }: Conversation,
  round: Pick<ModelQuestion, "messages" | "answerSchema"> & { readonly endsAtMs: number },
): Promise<ModelReply> {
  const { purpose, userId, signal } = consultation;
  const { messages, answerSchema, endsAtMs } = round;
  const readProse = () => createProseReader((text) => consultation.onProse(text));
  let prose = readProse();
  return await askModel(
    {
      ...{ agent: deps.agent, ledger: deps.ledger, stallMs: deps.stallMs, retryRules: deps.retryRules },
      ...{ provider, model, purpose, userId, messages, answerSchema },
      signal: AbortSignal.any([signal, limit]),
      timeLeftMs: () => endsAtMs - performance.now(),
      onText: (text) => prose(text),
      onRestart() {
        prose = readProse();
        consultation.onRestart();
      },
    },
    (spent) => {
      usage.inputTokens += spent.inputTokens;
      usage.outputTokens += spent.outputTokens;
      usage.cost += spent.cost;
    },
  );
}

async function judge(read: Exclude<ReturnType<typeof readAnswer>, string>, rules: GateRules) {
  const suggestions: Suggestion[] = [];
  const faults = [...read.faults];
  for (const candidate of read.candidates) {
    const verdict = await passGate(rules, candidate, "model");
    if ("suggestion" in verdict) suggestions.push(verdict.suggestion);
    else
      faults.push(
        `"${candidate.title}": ${verdict.faults.map(({ path, message }) => `${path} ${message}`).join("; ")}`,
      );
  }
  return { suggestions, faults, summary: read.summary };
}

function describeFailure(error: unknown, limit: AbortSignal, timeLimitMs: number): ModelOutcome {
  if (error instanceof ApprovalNeededError || (error instanceof ExecutionError && error.code === "rejected"))
    return { state: "over_budget", detail: capitalized(error.message), dropped: 0 };
  if (limit.aborted)
    return {
      state: "failed",
      detail: `The model did not answer within ${timeLimitMs / 1_000} s.`,
      dropped: 0,
    };
  if (error instanceof ExecutionError)
    return { state: "failed", detail: error.message.slice(0, 1_000), dropped: 0 };
  throw error;
}

function capitalized(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
