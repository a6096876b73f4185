import { createOutgoingAgent } from "../../outgoing/outgoing-agent.js";
import { createOutgoingGuard } from "../../outgoing/outgoing-guard.js";
import { createChatClient, toExchangeError } from "./chat-client.js";
import type { LlmProvider } from "./llm-ports.js";

/** What a test of a provider has shown. */
export interface ProbeResult {
  readonly ok: boolean;
  readonly latencyMs: number;
  readonly models?: string[];
  readonly error?: string;
}

/** Tests providers by asking for their models. */
export interface ProviderProbe {
  /** Never rejects for what the provider does. */
  test(provider: LlmProvider, signal: AbortSignal): Promise<ProbeResult>;
  close(): Promise<void>;
}

const PROBE_MS = 15_000;
const MOST_MODELS = 100;

/** Makes the probe. It connects where prompts would. */
export function createProviderProbe(deps: {
  readonly allowedPrivateHosts?: readonly string[];
}): ProviderProbe {
  const agent = createOutgoingAgent({
    guard: createOutgoingGuard({ allowedPrivateHosts: deps.allowedPrivateHosts ?? [] }),
  });
  return {
    async test(provider, signal) {
      const startedAt = performance.now();
      const latency = () => Math.round(performance.now() - startedAt);
      try {
        const client = createChatClient(agent, provider, { stallMs: PROBE_MS });
        const limit = AbortSignal.any([signal, AbortSignal.timeout(PROBE_MS)]);
        const { data } = await client.models.list({ signal: limit });
        const models = (Array.isArray(data) ? data : []).flatMap((model: { id?: unknown } | null) =>
          typeof model?.id === "string" ? [model.id.slice(0, 200)] : [],
        );
        return { ok: true, latencyMs: latency(), models: models.slice(0, MOST_MODELS) };
      } catch (error) {
        signal.throwIfAborted();
        const fault = toExchangeError(error, provider);
        return { ok: false, latencyMs: latency(), error: `The provider ${fault.message}` };
      }
    },
    close: () => agent.destroy(),
  };
}
