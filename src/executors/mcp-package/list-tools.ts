import type { Client } from "@modelcontextprotocol/sdk/client/index.js";
import type { RequestOptions } from "@modelcontextprotocol/sdk/shared/protocol.js";
import { ListToolsResultSchema } from "@modelcontextprotocol/sdk/types.js";
import { HIDDEN_TEXT } from "../../core/hidden-text.js";
import { isJsonObject, type JsonObject, type JsonValue } from "../../core/json.js";
import {
  type ContractTool,
  hashTools,
  type ResolvedPackage,
  type ToolListing,
} from "../../core/tool-contract.js";
import { upstreamFault } from "../http-request/upstream-fault.js";
import { assertStorable } from "../script/output-value.js";

const MOST_TOOLS = 1_000;
const MOST_PAGES = 100;
const MOST_LIST_BYTES = 4 * 1024 * 1024;

/**
 * Every tool of a server.
 * @throws ExecutionError `upstream_error` for more than 1,000 tools, 100 pages or 4 MiB, for two tools of one name, and
 * for texts that cannot be stored.
 */
export async function listTools(
  client: Client,
  options: () => RequestOptions,
  given: { readonly package: ResolvedPackage | undefined; readonly secrets: readonly string[] },
): Promise<ToolListing> {
  const read = client.getServerCapabilities()?.tools ? await readPages(client, options) : [];
  // hidden before the hash is taken: another value of a secret changes no contract
  const tools = hide(read as unknown as JsonValue, given.secrets) as unknown as ContractTool[];
  tools.sort((one, other) => (one.name < other.name ? -1 : 1));
  const twice = tools.find((tool, at) => tools[at + 1]?.name === tool.name);
  if (twice) throw upstreamFault(`has two tools of the name ${twice.name.slice(0, 200)}`);
  const { name = "", version = "" } = client.getServerVersion() ?? {};
  const serverInfo: JsonObject = { name: cut(name), version: cut(version) };
  assertStorableList([tools as unknown as JsonValue, serverInfo]);
  return { tools, hash: hashTools(tools), serverInfo, ...(given.package && { package: given.package }) };
}

/** The value with the secrets in its texts replaced: contracts are shown to everybody. */
function hide(value: JsonValue, secrets: readonly string[]): JsonValue {
  if (secrets.length === 0) return value;
  if (typeof value === "string")
    return secrets.reduce((text, secret) => text.replaceAll(secret, HIDDEN_TEXT), value);
  if (Array.isArray(value)) return value.map((item) => hide(item, secrets));
  if (!isJsonObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, item]) => [hide(name, secrets) as string, hide(item, secrets)]),
  );
}

async function readPages(client: Client, options: () => RequestOptions): Promise<ContractTool[]> {
  const tools: ContractTool[] = [];
  let bytes = 0;
  let cursor: string | undefined;
  for (let page = 0; page < MOST_PAGES; page += 1) {
    const params = cursor === undefined ? {} : { cursor };
    const answer = await client.request({ method: "tools/list", params }, ListToolsResultSchema, options());
    const found = answer.tools.map(toContractTool);
    tools.push(...found);
    bytes += Buffer.byteLength(JSON.stringify(found));
    if (tools.length > MOST_TOOLS) throw upstreamFault(`has more than ${MOST_TOOLS} tools`);
    if (bytes > MOST_LIST_BYTES)
      throw upstreamFault(`has a list of tools of more than ${MOST_LIST_BYTES} bytes`);
    cursor = answer.nextCursor;
    if (cursor === undefined) return tools;
  }
  throw upstreamFault(`has a list of tools of more than ${MOST_PAGES} pages`);
}

function toContractTool(tool: {
  readonly name: string;
  readonly description?: string | undefined;
  readonly inputSchema: object;
  readonly outputSchema?: object | undefined;
}): ContractTool {
  return {
    name: tool.name,
    ...(tool.description !== undefined && { description: tool.description }),
    inputSchema: tool.inputSchema as JsonObject,
    ...(tool.outputSchema !== undefined && { outputSchema: tool.outputSchema as JsonObject }),
  };
}

/** The first characters of a text; one that stands for two is not cut in half. */
function cut(text: string): string {
  return /^[^]{0,200}$/.test(text) ? text : text.slice(0, 200).replace(/[\ud800-\udbff]$/, "");
}

function assertStorableList(value: JsonValue): void {
  try {
    assertStorable(value);
  } catch (error) {
    throw upstreamFault(`sent a list of tools that cannot be stored: ${(error as Error).message}`);
  }
}
