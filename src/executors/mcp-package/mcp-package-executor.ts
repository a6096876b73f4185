import type { JsonObject, JsonValue } from "../../core/json.js";
import type { ToolContract, ToolListing } from "../../core/tool-contract.js";
import { createOutgoingAgent } from "../../outgoing/outgoing-agent.js";
import { createOutgoingGuard } from "../../outgoing/outgoing-guard.js";
import type { ExecutionContext, Executor } from "../types.js";
import { DEFAULT_MCP_COMMANDS } from "./allowed-commands.js";
import { assertContract } from "./check-contract.js";
import type { McpPackageConfig } from "./definition.js";
import type { PackageEnvironmentDeps } from "./package-environment.js";
import { fillPlaceholders } from "./placeholders.js";
import { openSession, type Session, type SessionDeps } from "./session.js";
import { checkToolCall, toToolCall, type ValidateValue } from "./tool-call.js";
import { toToolOutput } from "./tool-result.js";

/** Where the contracts of versions are. */
export interface ContractBook {
  readToolContract(mcpVersionId: string): Promise<ToolContract | undefined>;
  /** Stores the first listing of a version; one that is there stays, and is given back. */
  keep(mcpVersionId: string, listing: ToolListing): Promise<{ readonly contract: ToolContract }>;
}

/** What an installation sets for packages. */
export interface McpPackageSettings {
  /** The setting `MCP_COMMANDS`; default: `npx`, `node`, `python3` and `uvx`. */
  readonly commands?: readonly string[];
  /** The setting `MCP_PATHS`. */
  readonly paths?: readonly string[];
  /** The setting `ALLOWED_HOSTS_PRIVATE`. */
  readonly allowedPrivateHosts?: readonly string[];
  /** The setting `MAX_MCP_MESSAGE_BYTES`; default: 16 MiB. */
  readonly maxMessageBytes?: number;
  /** Absent: tools are not compared between runs. */
  readonly contracts?: ContractBook;
  /** Checks values against schemas that servers send; in a process that can be killed. Absent: they are not checked. */
  readonly validate?: ValidateValue;
}

const DEFAULT_MESSAGE_BYTES = 16 * 1024 * 1024;

/** The executor of `mcp_package`: a server of its own for each execution, or a session with one at a URL. */
export function createMcpPackageExecutor(
  deps: PackageEnvironmentDeps & McpPackageSettings,
): Executor<McpPackageConfig> {
  const { allowedPrivateHosts = [], contracts, validate } = deps;
  const guard = createOutgoingGuard({ allowedPrivateHosts });
  const agent = createOutgoingAgent({ guard });
  const sessionDeps: SessionDeps = {
    environments: deps.environments,
    python: deps.python,
    commands: deps.commands ?? DEFAULT_MCP_COMMANDS,
    paths: deps.paths ?? [],
    maxMessageBytes: deps.maxMessageBytes ?? DEFAULT_MESSAGE_BYTES,
    guard,
    agent,
  };

  async function withSession<Value>(
    config: McpPackageConfig,
    context: ExecutionContext,
    work: (session: Session, contract: ToolContract | undefined) => Promise<Value>,
  ): Promise<Value> {
    context.signal.throwIfAborted();
    const { mcpVersionId } = context;
    const contract = mcpVersionId === undefined ? undefined : await contracts?.readToolContract(mcpVersionId);
    const session = await openSession(sessionDeps, config, context, contract?.package);
    try {
      return await work(session, contract);
    } finally {
      await session.close();
    }
  }

  async function listAndCheck(
    session: Session,
    known: ToolContract | undefined,
    config: McpPackageConfig,
    { mcpVersionId, emit }: ExecutionContext,
  ): Promise<ToolListing> {
    const live = await session.list();
    emit.log("system", describe(live));
    if (mcpVersionId === undefined || !contracts) return live;
    const { contract } = known ? { contract: known } : await contracts.keep(mcpVersionId, live);
    assertContract(contract, live, config.toolChanges, emit);
    return live;
  }

  return {
    type: "mcp_package",
    async execute(config, input, context): Promise<JsonValue> {
      const defaults = fillPlaceholders((config.arguments ?? {}) as JsonObject, context);
      const call = toToolCall({ tool: config.tool, arguments: defaults }, input);
      return await withSession(config, context, async (session, contract) => {
        const { tools } = await listAndCheck(session, contract, config, context);
        const tool = await checkToolCall(call, tools, validate, config.tool !== undefined);
        return await toToolOutput(await session.call(call), tool, context, validate);
      });
    },
    listTools: async (config, context) =>
      await withSession(config, context, async (session) => await session.list()),
    close: () => agent.destroy(),
  };
}

function describe({ serverInfo, tools, package: resolved }: ToolListing): string {
  const origin = resolved ? ` (${resolved.registry}: ${resolved.name} ${resolved.version})` : "";
  return `server ${String(serverInfo["name"])} ${String(serverInfo["version"])}${origin}, ${tools.length} tools`;
}
