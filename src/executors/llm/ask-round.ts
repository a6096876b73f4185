import type { Agent } from "undici";
import type OpenAI from "openai";
import type { ExecutionContext } from "../types.js";
import { createChatClient, toExchangeError, toProviderFault } from "./chat-client.js";
import type { LlmPromptConfig } from "./definition.js";
import { costOf, type LlmPorts, type LlmProvider, type LlmSpending } from "./llm-ports.js";
import { readRound, type RoundAnswer } from "./read-round.js";
import { retryExchange, type RetryRules } from "./retry-exchange.js";
import type { ToolFunction } from "./tool-functions.js";

/** What all rounds of one execution share. */
export interface Conversation {
  readonly agent: Agent;
  readonly ports: LlmPorts;
  readonly provider: LlmProvider;
  readonly config: LlmPromptConfig;
  readonly context: ExecutionContext;
  readonly tools: ReadonlyMap<string, ToolFunction>;
  readonly messages: OpenAI.Chat.Completions.ChatCompletionMessageParam[];
  readonly retryRules: RetryRules;
  readonly stallMs: number;
  /** By `Date.now()`: when the step's time is over. */
  readonly deadlineMs: number;
}

/** What a round answered, and took. */
export interface Round extends RoundAnswer {
  readonly spent: LlmSpending;
}

type Request = OpenAI.Chat.Completions.ChatCompletionCreateParamsStreaming;

/** A rough measure where none is given. */
const CHARACTERS_PER_TOKEN = 4;
/** What an answer is taken to need when the prompt sets no `maxTokens`. */
const USUAL_OUTPUT_TOKENS = 512;

/**
 * Asks the model once, streamed; from the start again when the stream breaks. Each try is reserved with the ledger
 * before, and settled after.
 */
export async function askRound(conversation: Conversation, round: number): Promise<Round> {
  const { provider, context, retryRules, deadlineMs } = conversation;
  let shown = 0;
  return await retryExchange(
    {
      rules: retryRules,
      signal: context.signal,
      timeLeftMs: () => deadlineMs - Date.now(),
      toError: (thrown) => toExchangeError(thrown, provider),
      toFault: (error, tries) => toProviderFault(error, provider, { tries }),
      onRetry(error, delayMs, tries) {
        const wait = `${Math.round(delayMs / 100) / 10} s`;
        context.emit.log(
          "system",
          `The provider ${provider.name} ${error.message}; try ${tries + 1} in ${wait}`,
        );
        // who shows tokens has to forget those of this round
        if (shown > 0) context.emit.progress({ round, isRestarted: true }, { isMilestone: true });
        shown = 0;
      },
    },
    async () =>
      await askOnce(conversation, (text) => {
        shown += text.length;
        context.emit.token(text);
      }),
  );
}

async function askOnce(conversation: Conversation, onText: (text: string) => void): Promise<Round> {
  const { agent, ports, provider, config, context, stallMs } = conversation;
  const request = buildRequest(conversation);
  const inputTokens = estimateTokens(JSON.stringify(request).length);
  const reservation = await ports.ledger.reserve({
    runId: context.runId,
    stepId: context.stepId,
    itemIndex: context.itemIndex ?? -1,
    attempt: context.attempt,
    provider: provider.name,
    model: config.model,
    estimate: spend(conversation, { inputTokens, outputTokens: config.maxTokens ?? USUAL_OUTPUT_TOKENS }),
  });
  const client = createChatClient(agent, provider, { stallMs });
  let received = 0;
  let hasBegun = false;
  try {
    const stream = await client.chat.completions.create(request, { signal: context.signal });
    hasBegun = true;
    const answer = await readRound(stream, context.limits.maxOutputBytes, (text) => {
      received += text.length;
      onText(text);
    });
    context.signal.throwIfAborted();
    const written = answer.calls.reduce((sum, call) => sum + call.arguments.length, received);
    const spent = spend(conversation, answer.usage ?? { inputTokens, outputTokens: estimateTokens(written) });
    await reservation.settle(spent);
    return { ...answer, spent };
  } catch (error) {
    // what came before the break was made, and is paid for
    if (hasBegun)
      await reservation.settle(spend(conversation, { inputTokens, outputTokens: estimateTokens(received) }));
    else await reservation.cancel();
    throw error;
  }
}

function spend(
  { provider, config }: Conversation,
  tokens: { readonly inputTokens: number; readonly outputTokens: number },
): LlmSpending {
  const { inputTokens, outputTokens } = tokens;
  return { inputTokens, outputTokens, cost: costOf(provider, config.model, tokens) };
}

function estimateTokens(characters: number): number {
  return Math.ceil(characters / CHARACTERS_PER_TOKEN);
}

function buildRequest({ provider, config, tools, messages }: Conversation): Request {
  const { model, temperature, topP, maxTokens, responseFormat } = config;
  const functions = [...tools.values()].map(({ name, description, parameters }) => ({
    type: "function" as const,
    function: { name, parameters, ...(description === "" ? {} : { description }) },
  }));
  return {
    model,
    messages,
    stream: true,
    stream_options: { include_usage: true },
    ...(temperature === undefined ? {} : { temperature }),
    ...(topP === undefined ? {} : { top_p: topP }),
    ...(maxTokens === undefined ? {} : toMaxTokens(provider, maxTokens)),
    ...(functions.length === 0 ? {} : { tools: functions }),
    ...(responseFormat?.type === "json_schema"
      ? {
          response_format: {
            type: "json_schema",
            json_schema: { name: "answer", schema: responseFormat.schema },
          },
        }
      : {}),
  };
}

/** OpenAI's newer models refuse the name that everybody else understands. */
function toMaxTokens({ baseUrl }: LlmProvider, maxTokens: number) {
  const isOpenAi = new URL(baseUrl).hostname === "api.openai.com";
  return isOpenAi ? { max_completion_tokens: maxTokens } : { max_tokens: maxTokens };
}
