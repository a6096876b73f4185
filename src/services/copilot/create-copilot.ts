import type { Knex } from "knex";
import type { Keys } from "../../config/load-keys.js";
import type { Settings } from "../../config/settings-schema.js";
import { createExecutorDefinitions } from "../../executors/registry.js";
import type { Logger } from "../../observability/logger.js";
import { createOutgoingAgent } from "../../outgoing/outgoing-agent.js";
import { createOutgoingGuard } from "../../outgoing/outgoing-guard.js";
import type { SafeEvaluator } from "../evaluation-types.js";
import { createProviderFinder, listImplicitHosts } from "../llm-providers/find-provider.js";
import { createCopilotLedger } from "../llm-spending/copilot-ledger.js";
import type { SharedLimits } from "../limits/shared-limits.js";
import type { NameLookup } from "../name-lookup.js";
import { type Copilot, createCopilot } from "./copilot.js";
import { createCopilotThrottle } from "./copilot-throttle.js";
import { createJudges } from "./judges.js";
import { findModel } from "./model/find-model.js";

/** What the copilot stands on. */
export interface CopilotGround {
  readonly knex: Knex;
  readonly keys: Pick<Keys, "encryption">;
  readonly logger: Logger;
  readonly evaluator: SafeEvaluator;
  readonly secrets: NameLookup;
  readonly externalDbs: NameLookup;
  readonly limits: SharedLimits;
  readonly settings: Pick<
    Settings,
    | "ALLOWED_HOSTS_PRIVATE"
    | "MCP_COMMANDS"
    | "MAX_STEPS"
    | "OPENAI_API_KEY"
    | "OPENAI_BASE_URL"
    | "COPILOT_MODEL"
    | "COPILOT_TIMEOUT_SECONDS"
    | "COPILOT_CALLS_PER_MINUTE"
  >;
}

/** Longest silence of a provider: people wait for it. */
const STALL_MS = 30_000;
const RETRY_RULES = { maxTries: 3, firstDelayMs: 500, maxDelayMs: 10_000 };

/** Makes the copilot on an open platform. `close` ends its connections. */
export function openCopilot(ground: CopilotGround): { readonly copilot: Copilot; close(): Promise<void> } {
  const { knex, keys, logger, evaluator, secrets, externalDbs, settings } = ground;
  const allowedPrivateHosts = settings.ALLOWED_HOSTS_PRIVATE;
  const executors = createExecutorDefinitions({
    allowedPrivateHosts,
    ...(settings.MCP_COMMANDS && { mcpCommands: settings.MCP_COMMANDS }),
  });
  const outgoing = createOutgoingGuard({ allowedPrivateHosts });
  const definitionCheck = { knex, evaluator, secrets, externalDbs, outgoing, maxSteps: settings.MAX_STEPS };
  const judges = createJudges({
    definitions: definitionCheck,
    versions: { knex, evaluator, executors, secrets, externalDbs },
  });
  const agent = createOutgoingAgent({
    guard: createOutgoingGuard({
      allowedPrivateHosts: [...allowedPrivateHosts, ...listImplicitHosts(settings)],
    }),
  });
  const findProvider = createProviderFinder({ knex, keys, settings });
  const consult = {
    agent,
    ledger: createCopilotLedger({ knex, logger }),
    findModel: async () => await findModel({ knex, findProvider, settings }),
    timeLimitMs: settings.COPILOT_TIMEOUT_SECONDS * 1_000,
    stallMs: Math.min(STALL_MS, settings.COPILOT_TIMEOUT_SECONDS * 1_000),
    retryRules: RETRY_RULES,
  };
  const deps = { knex, evaluator, judges, definitionCheck, executors };
  const copilot = createCopilot(
    deps,
    consult,
    createCopilotThrottle(ground.limits, settings.COPILOT_CALLS_PER_MINUTE),
  );
  return { copilot, close: async () => await agent.destroy() };
}
