import type OpenAI from "openai";
import { oversizedOutput } from "../script/output-value.js";
import { ExchangeError } from "./chat-client.js";

/** Why a model stopped, in one vocabulary for all providers. */
export type FinishReason = "stop" | "length" | "content_filter" | "tool_calls" | "other";

/** A call that a model asks for, as it wrote it. */
export interface AskedCall {
  readonly id: string;
  readonly name: string;
  /** JSON, or what the model took for it. */
  readonly arguments: string;
}

/** What a model answered in one round. */
export interface RoundAnswer {
  readonly text: string;
  readonly refusal: string;
  readonly calls: readonly AskedCall[];
  readonly finishReason: FinishReason;
  /** As the provider names it; undefined when it does not. */
  readonly model: string | undefined;
  /** Undefined when the provider does not say. */
  readonly usage: { readonly inputTokens: number; readonly outputTokens: number } | undefined;
}

const MOST_CALLS = 64;
const MOST_NAME_CHARACTERS = 200;
const MOST_ARGUMENT_CHARACTERS = 1024 * 1024;
const MOST_TOKENS = 1_000_000_000;

const FINISH_REASONS: Readonly<Record<string, FinishReason>> = {
  stop: "stop",
  end_turn: "stop",
  length: "length",
  max_tokens: "length",
  content_filter: "content_filter",
  tool_calls: "tool_calls",
  function_call: "tool_calls",
};

interface OpenCall {
  id: string;
  name: string;
  arguments: string;
}

type Chunk = OpenAI.Chat.Completions.ChatCompletionChunk;

/**
 * Reads one streamed answer. Nothing in it is trusted: unknown shapes are passed over, sizes are bounded.
 * @param onText called with each piece of text as it comes.
 * @throws ExchangeError when the stream ends before the answer does; ExecutionError `invalid_output` above
 * `maxCharacters`.
 */
export async function readRound(
  stream: AsyncIterable<Chunk>,
  maxCharacters: number,
  onText: (text: string) => void,
): Promise<RoundAnswer> {
  const answer = { text: "", refusal: "", finish: "", model: undefined as string | undefined };
  const calls = new Map<number, OpenCall>();
  let usage: RoundAnswer["usage"];
  for await (const chunk of stream as AsyncIterable<unknown>) {
    const { choices, model, usage: given } = toRecord(chunk);
    if (typeof model === "string" && model !== "") answer.model = model.slice(0, MOST_NAME_CHARACTERS);
    usage = toUsage(given) ?? usage;
    const choice = toRecord(Array.isArray(choices) ? choices[0] : undefined);
    const delta = toRecord(choice["delta"]);
    if (typeof delta["content"] === "string" && delta["content"] !== "") {
      answer.text += delta["content"];
      onText(delta["content"]);
    }
    if (typeof delta["refusal"] === "string") answer.refusal += delta["refusal"];
    addCalls(calls, delta["tool_calls"]);
    if (answer.text.length + answer.refusal.length > maxCharacters) throw oversizedOutput(maxCharacters);
    if (typeof choice["finish_reason"] === "string") answer.finish = choice["finish_reason"];
  }
  const { text, refusal, finish, model } = answer;
  if (finish === "") throw new ExchangeError("ended its answer in the middle", { isTransient: true });
  const asked = withUniqueIds(
    [...calls.entries()].sort(([one], [other]) => one - other).map(([, call]) => call),
  );
  return { text, refusal, calls: asked, finishReason: toFinishReason(finish, asked.length), model, usage };
}

/** Some providers say "stop" though the model asks for tools, and some "tool_calls" though it does not. */
function toFinishReason(finish: string, callCount: number): FinishReason {
  const reason = Object.hasOwn(FINISH_REASONS, finish) ? FINISH_REASONS[finish] : undefined;
  if (callCount > 0) return reason === "length" || reason === "content_filter" ? reason : "tool_calls";
  return reason === "tool_calls" ? "stop" : (reason ?? "other");
}

/** Pieces of calls, told apart by their index; providers that give none mean the next or the newest. */
function addCalls(calls: Map<number, OpenCall>, given: unknown): void {
  if (!Array.isArray(given)) return;
  for (const piece of given.map(toRecord)) {
    const { id, index } = piece;
    const called = toRecord(piece["function"]);
    const at =
      typeof index === "number" && Number.isInteger(index) ? index : findPlace(calls, id, called["name"]);
    const call = calls.get(at) ?? { id: "", name: "", arguments: "" };
    if (typeof id === "string" && call.id === "") call.id = id.slice(0, MOST_NAME_CHARACTERS);
    // a name comes whole; some providers repeat it with every piece
    if (typeof called["name"] === "string" && call.name === "") {
      call.name = called["name"].slice(0, MOST_NAME_CHARACTERS);
    }
    if (typeof called["arguments"] === "string") call.arguments += called["arguments"];
    calls.set(at, call);
    if (calls.size > MOST_CALLS) {
      throw new ExchangeError(`asked for more than ${MOST_CALLS} calls at once`, { isTransient: false });
    }
    if (call.arguments.length > MOST_ARGUMENT_CHARACTERS) {
      const message = `sent arguments of more than ${MOST_ARGUMENT_CHARACTERS} characters`;
      throw new ExchangeError(message, { isTransient: false });
    }
  }
}

function findPlace(calls: ReadonlyMap<number, OpenCall>, id: unknown, name: unknown): number {
  const newest = Math.max(-1, ...calls.keys());
  const isNew = newest < 0 || (typeof name === "string" && name !== "");
  const isSame = calls.get(newest)?.id === id && id !== undefined;
  return isNew && !isSame ? newest + 1 : newest;
}

/** Answers are matched to calls by id: missing and repeated ones are replaced. */
function withUniqueIds(calls: readonly OpenCall[]): AskedCall[] {
  const seen = new Set<string>();
  return calls.map((call, at) => {
    const id = call.id === "" || seen.has(call.id) ? `call_${at}_${seen.size}` : call.id;
    seen.add(id);
    return { ...call, id };
  });
}

function toUsage(given: unknown): RoundAnswer["usage"] {
  const { prompt_tokens: input, completion_tokens: output } = toRecord(given);
  if (!isCount(input) && !isCount(output)) return undefined;
  return { inputTokens: isCount(input) ? input : 0, outputTokens: isCount(output) ? output : 0 };
}

function isCount(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= MOST_TOKENS;
}

function toRecord(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}
