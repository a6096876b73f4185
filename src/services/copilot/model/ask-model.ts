import type OpenAI from "openai";
import type { Agent } from "undici";
import type { JsonObject } from "../../../core/json.js";
import {
  createChatClient,
  type ExchangeError,
  toExchangeError,
  toProviderFault,
} from "../../../executors/llm/chat-client.js";
import { costOf, type LlmProvider, type LlmSpending } from "../../../executors/llm/llm-ports.js";
import { readRound } from "../../../executors/llm/read-round.js";
import { retryExchange, type RetryRules } from "../../../executors/llm/retry-exchange.js";
import type { CopilotLedger } from "../../llm-spending/copilot-ledger.js";

type Message = OpenAI.Chat.Completions.ChatCompletionMessageParam;

/** What one question takes. */
export interface ModelQuestion {
  readonly agent: Agent;
  readonly ledger: CopilotLedger;
  readonly provider: LlmProvider;
  readonly model: string;
  readonly purpose: string;
  readonly userId: string | null;
  readonly messages: readonly Message[];
  readonly answerSchema: JsonObject;
  readonly stallMs: number;
  readonly retryRules: RetryRules;
  readonly signal: AbortSignal;
  timeLeftMs(): number;
  onText(text: string): void;
  /** What came so far is void: it begins anew. */
  onRestart(): void;
}

/** Characters of an answer; what is longer is no suggestion. */
const MOST_CHARACTERS = 512 * 1024;
const MOST_OUTPUT_TOKENS = 8_192;
const CHARACTERS_PER_TOKEN = 4;

/** What a model answered, and what all tries took. */
export interface ModelReply {
  readonly text: string;
  readonly model: string;
  readonly isCutOff: boolean;
}

/**
 * Asks once; again when that may help, as prompts do. Each try is reserved with the ledger before and settled after.
 * @throws ExecutionError when the provider fails for good, or a budget is spent; the signal's reason when it is aborted.
 */
export async function askModel(
  question: ModelQuestion,
  onSpent: (spent: LlmSpending) => void,
): Promise<ModelReply> {
  const { provider, retryRules, signal } = question;
  let isStructured = true;
  const exchange = async () => await askOnce(question, isStructured, onSpent);
  return await retryExchange(
    {
      rules: retryRules,
      signal,
      timeLeftMs: () => question.timeLeftMs(),
      toError: (thrown) => toExchangeError(thrown, provider),
      toFault: (error, tries) => toProviderFault(error, provider, { tries }),
      onRetry: () => question.onRestart(),
    },
    async () => {
      try {
        return await exchange();
      } catch (error) {
        const fault = toExchangeError(error, provider);
        if (!isStructured || !isAboutFormat(fault)) throw error;
        // some servers know no response_format; the schema stands in the prompt as well
        isStructured = false;
        return await exchange();
      }
    },
  );
}

function isAboutFormat(error: ExchangeError): boolean {
  return (error.status === 400 || error.status === 422) && /response_format|json_schema/i.test(error.message);
}

async function askOnce(
  question: ModelQuestion,
  isStructured: boolean,
  onSpent: (spent: LlmSpending) => void,
): Promise<ModelReply> {
  const { agent, ledger, provider, model, purpose, userId, signal } = question;
  const request = buildRequest(question, isStructured);
  const inputTokens = estimate(JSON.stringify(request).length);
  const toSpending = (tokens: { inputTokens: number; outputTokens: number }): LlmSpending => ({
    inputTokens: tokens.inputTokens,
    outputTokens: tokens.outputTokens,
    cost: costOf(provider, model, tokens),
  });
  const planned = toSpending({ inputTokens, outputTokens: 1_024 });
  const reservation = await ledger.reserve({
    purpose,
    userId,
    provider: provider.name,
    model,
    estimate: planned,
  });
  const client = createChatClient(agent, provider, { stallMs: question.stallMs });
  let received = 0;
  let hasBegun = false;
  const settle = async (tokens: { inputTokens: number; outputTokens: number }) => {
    const spent = toSpending(tokens);
    onSpent(spent);
    await reservation.settle(spent);
  };
  try {
    const stream = await client.chat.completions.create(request, { signal });
    hasBegun = true;
    const answer = await readRound(stream, MOST_CHARACTERS, (text) => {
      received += text.length;
      question.onText(text);
    });
    signal.throwIfAborted();
    await settle(answer.usage ?? { inputTokens, outputTokens: estimate(received) });
    return { text: answer.text, model: answer.model ?? model, isCutOff: answer.finishReason === "length" };
  } catch (error) {
    if (hasBegun) await settle({ inputTokens, outputTokens: estimate(received) });
    else await reservation.cancel();
    throw error;
  }
}

function buildRequest(
  { provider, model, messages, answerSchema }: ModelQuestion,
  isStructured: boolean,
): OpenAI.Chat.Completions.ChatCompletionCreateParamsStreaming {
  // OpenAI's newer models refuse the name that everybody else understands
  const isOpenAi = new URL(provider.baseUrl).hostname === "api.openai.com";
  return {
    model,
    messages: [...messages],
    stream: true,
    stream_options: { include_usage: true },
    ...(isOpenAi ? { max_completion_tokens: MOST_OUTPUT_TOKENS } : { max_tokens: MOST_OUTPUT_TOKENS }),
    ...(isStructured
      ? {
          response_format: {
            type: "json_schema",
            json_schema: { name: "suggestions", schema: answerSchema },
          },
        }
      : {}),
  };
}

function estimate(characters: number): number {
  return Math.ceil(characters / CHARACTERS_PER_TOKEN);
}
