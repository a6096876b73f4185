import type { Agent } from "undici";
import { isJsonObject, type JsonObject, type JsonValue } from "../../core/json.js";
import { matchesHosts } from "../../outgoing/host-patterns.js";
import { createOutgoingAgent } from "../../outgoing/outgoing-agent.js";
import { createOutgoingGuard } from "../../outgoing/outgoing-guard.js";
import { oversizedOutput } from "../script/output-value.js";
import { type ExecutionContext, ExecutionError, type Executor } from "../types.js";
import { askRound, type Conversation, type Round } from "./ask-round.js";
import { callTools, type MadeCall } from "./call-tools.js";
import type { LlmPromptConfig } from "./definition.js";
import type { LlmPorts, LlmProvider, LlmSpending } from "./llm-ports.js";
import { parseAnswer } from "./parse-answer.js";
import type { AskedCall } from "./read-round.js";
import { DEFAULT_RETRY_RULES, type RetryRules } from "./retry-exchange.js";
import { describeTools } from "./tool-functions.js";

/** The dependencies of the executor. */
export interface LlmPromptDeps {
  readonly ports: LlmPorts;
  /** The setting `ALLOWED_HOSTS_PRIVATE`, and what else the operator has named as a provider's host. */
  readonly allowedPrivateHosts?: readonly string[];
  readonly retryRules?: RetryRules;
  /** Longest silence of a provider; default: two minutes. */
  readonly stallMs?: number;
}

const DEFAULT_STALL_MS = 120_000;
const MOST_SHOWN_ANSWER = 4_000;

/** LLM prompts: fills the template, asks the model, makes the calls it asks for, and holds its answer to its schema. */
export function createLlmPromptExecutor(deps: LlmPromptDeps): Executor<LlmPromptConfig> {
  const { allowedPrivateHosts = [], ports } = deps;
  const agent = createOutgoingAgent({ guard: createOutgoingGuard({ allowedPrivateHosts }) });
  return {
    type: "llm_prompt",
    async execute(config, input, context) {
      context.signal.throwIfAborted();
      const prompt = await renderPrompt(ports, config, input);
      const provider = await ports.findProvider(config.provider);
      assertSecretsMayGo(provider, context);
      const conversation = await openConversation(deps, agent, { config, context, provider, prompt });
      const output = await converse(conversation);
      const bytes = Buffer.byteLength(JSON.stringify(output));
      if (bytes > context.limits.maxOutputBytes) throw oversizedOutput(context.limits.maxOutputBytes);
      return output;
    },
    close: () => agent.destroy(),
  };
}

async function renderPrompt(ports: LlmPorts, config: LlmPromptConfig, input: JsonObject): Promise<string> {
  const rendered = await ports.renderTemplate(config.userPromptTemplate, input);
  if ("text" in rendered) return rendered.text;
  throw new ExecutionError("invalid_input", `The prompt's template: ${rendered.fault}`);
}

/** A secret that is bound to hosts may be part of a prompt, but goes to those hosts alone. */
function assertSecretsMayGo({ baseUrl, name }: LlmProvider, { secretHosts }: ExecutionContext): void {
  const url = new URL(baseUrl);
  if ((secretHosts?.inputs ?? []).every((hosts) => matchesHosts(url, hosts))) return;
  const message = `A secret of this step may not be sent to the provider ${name} at ${url.host}`;
  throw new ExecutionError("invalid_input", message);
}

async function openConversation(
  deps: LlmPromptDeps,
  agent: Agent,
  given: Pick<Conversation, "config" | "context" | "provider"> & { readonly prompt: string },
): Promise<Conversation> {
  const { config, context, provider, prompt } = given;
  const references = config.maxToolRounds > 0 ? (config.tools ?? []) : [];
  return {
    agent,
    ports: deps.ports,
    provider,
    config,
    context,
    tools: await describeTools(context.components, references),
    messages: [
      ...(config.systemPrompt ? [{ role: "system" as const, content: config.systemPrompt }] : []),
      { role: "user", content: prompt },
    ],
    retryRules: deps.retryRules ?? DEFAULT_RETRY_RULES,
    stallMs: deps.stallMs ?? DEFAULT_STALL_MS,
    deadlineMs: Date.now() + context.timeoutSeconds * 1000,
  };
}

async function converse(conversation: Conversation): Promise<JsonValue> {
  const { config, context } = conversation;
  const made: MadeCall[] = [];
  let usage: LlmSpending = { inputTokens: 0, outputTokens: 0, cost: 0 };
  let toolRounds = 0;
  let isRepair = false;
  for (let round = 1; ; round += 1) {
    const answer = await askRound(conversation, round);
    usage = add(usage, answer.spent);
    logRound(conversation, answer, round);
    if (answer.finishReason === "tool_calls") {
      if (toolRounds >= config.maxToolRounds) throw tooManyRounds(config.maxToolRounds, made);
      toolRounds += 1;
      made.push(...(await answerCalls(conversation, answer, round)));
      continue;
    }
    const checked = await checkAnswer(conversation, answer);
    if (checked.faults.length === 0)
      return toOutput(conversation, answer, { json: checked.json, made, usage });
    if (isRepair || answer.refusal !== "") throw badAnswer(answer, checked.faults);
    isRepair = true;
    context.emit.progress({ round, isRepairing: true, errors: checked.faults }, { isMilestone: true });
    conversation.messages.push(
      { role: "assistant", content: answer.text },
      { role: "user", content: toRepairRequest(checked.faults) },
    );
  }
}

async function answerCalls(conversation: Conversation, answer: Round, round: number): Promise<MadeCall[]> {
  const { messages, context, tools } = conversation;
  messages.push({
    role: "assistant",
    content: answer.text === "" ? null : answer.text,
    tool_calls: answer.calls.map((call) => ({
      id: call.id,
      type: "function",
      function: { name: toSafeName(call), arguments: toSafeArguments(call) },
    })),
  });
  const outcomes = await callTools(context, tools, answer.calls, round);
  for (const { id, forModel } of outcomes) {
    messages.push({ role: "tool", tool_call_id: id, content: forModel });
  }
  return outcomes.map(({ made }) => made);
}

/** Providers refuse a conversation that holds what their own model got wrong. */
function toSafeName({ name }: AskedCall): string {
  return name.replace(/[^a-zA-Z0-9_-]/g, "_").slice(0, 64) || "unknown";
}

function toSafeArguments(call: AskedCall): string {
  const parsed = parseAnswer(call.arguments);
  return parsed && isJsonObject(parsed.value) ? JSON.stringify(parsed.value) : "{}";
}

interface Checked {
  readonly json?: JsonValue;
  readonly faults: { readonly path: string; readonly message: string }[];
}

async function checkAnswer({ config, ports }: Conversation, answer: Round): Promise<Checked> {
  const { responseFormat } = config;
  if (responseFormat?.type !== "json_schema") return { faults: [] };
  if (answer.refusal !== "")
    return { faults: [{ path: "", message: `was refused: ${answer.refusal.slice(0, 500)}` }] };
  const parsed = parseAnswer(answer.text);
  if (!parsed) {
    const why = answer.finishReason === "length" ? ": it was cut at the limit of its tokens" : "";
    return { faults: [{ path: "", message: `is no JSON${why}` }] };
  }
  const faults = await ports.validate(responseFormat.schema as JsonObject, parsed.value);
  return { json: parsed.value, faults: faults.map(({ path, message }) => ({ path, message })) };
}

function toRepairRequest(faults: Checked["faults"]): string {
  const list = faults.slice(0, 50).map(({ path, message }) => `- ${path || "the answer"} ${message}`);
  return `The answer does not fit its JSON Schema:\n${list.join("\n")}\nAnswer again, with the corrected JSON alone.`;
}

function badAnswer(answer: Round, faults: Checked["faults"]): ExecutionError {
  const [first] = faults;
  const message = `The model's answer ${first?.path ? `${first.path} ` : ""}${first?.message ?? ""}`;
  const shown = (answer.text || answer.refusal).slice(0, MOST_SHOWN_ANSWER);
  return new ExecutionError("invalid_output", message, { details: { errors: faults, answer: shown } });
}

function tooManyRounds(maxToolRounds: number, made: readonly MadeCall[]): ExecutionError {
  const message = `The model still asks for tools after ${maxToolRounds} rounds of calls`;
  const details = { maxToolRounds, toolCalls: made.slice(-20) as JsonValue[] };
  return new ExecutionError("upstream_error", message, { details, retryable: false });
}

function toOutput(
  { config }: Conversation,
  answer: Round,
  parts: {
    readonly json: JsonValue | undefined;
    readonly made: readonly MadeCall[];
    readonly usage: LlmSpending;
  },
): JsonObject {
  const { json, made, usage } = parts;
  return {
    text: answer.text === "" ? answer.refusal : answer.text,
    ...(json === undefined ? {} : { json }),
    toolCalls: [...made],
    usage: { ...usage },
    model: answer.model ?? config.model,
    finishReason: answer.refusal !== "" && answer.text === "" ? "content_filter" : answer.finishReason,
  };
}

function add(one: LlmSpending, other: LlmSpending): LlmSpending {
  return {
    inputTokens: one.inputTokens + other.inputTokens,
    outputTokens: one.outputTokens + other.outputTokens,
    cost: Math.round((one.cost + other.cost) * 1e8) / 1e8,
  };
}

function logRound({ provider, context }: Conversation, answer: Round, round: number): void {
  const { inputTokens, outputTokens } = answer.spent;
  const estimated = answer.usage ? "" : " (estimated)";
  const asked = answer.calls.length > 0 ? `, ${answer.calls.length} calls` : "";
  const tokens = `${inputTokens} tokens in, ${outputTokens} out${estimated}`;
  context.emit.log(
    "system",
    `Round ${round} with ${provider.name}: ${tokens}${asked}, ${answer.finishReason}`,
  );
}
