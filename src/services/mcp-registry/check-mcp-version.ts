import type { CreateMcpVersion } from "../../contracts/api/mcp-definitions.js";
import { toSchemaFaults } from "../../contracts/schema-faults.js";
import { escapePointerToken } from "../../core/json-pointer.js";
import { isJsonObject, type JsonObject, type JsonValue } from "../../core/json.js";
import { type McpReference, parseMcpReference } from "../../core/mcp-reference.js";
import { parseSemver, toVersionOrder } from "../../core/semver-order.js";
import type { FieldFault } from "../../errors/app-error.js";
import { listSecretNames } from "../../executors/mcp-package/placeholders.js";
import type { ExecutorDefinition } from "../../executors/types.js";
import type { Db } from "../../models/repository.js";
import type { SafeEvaluator } from "../evaluation-types.js";
import { findUnknownNames, type NameLookup } from "../name-lookup.js";
import { referenceKey, resolveMcps } from "./resolve-mcps.js";

/** What it takes to judge a version. */
export interface VersionCheckDeps {
  readonly knex: Db;
  readonly evaluator: SafeEvaluator;
  readonly executors: readonly ExecutorDefinition[];
  readonly secrets: NameLookup;
  /** Absent: no external database is known. */
  readonly externalDbs?: NameLookup | undefined;
}

/** A version whose every part was found good. */
export interface CheckedMcpVersion {
  readonly version: string;
  readonly versionOrder: string;
  readonly config: JsonObject;
}

/** Judges the body of a new version; `faults` is empty exactly when `checked` is there. Pointers into the body. */
export async function checkMcpVersion(
  deps: VersionCheckDeps,
  mcpType: string,
  body: CreateMcpVersion,
): Promise<{ checked?: CheckedMcpVersion; faults: FieldFault[] }> {
  const parsed = parseSemver(body.version);
  const config = checkConfig(deps, mcpType, body.config);
  const faults = [
    ...(parsed ? [] : [{ path: "/version", message: "must be a semantic version, like 1.2.0" }]),
    ...config.faults,
    ...(await checkSchemas(deps, body)),
    ...(await checkNames(deps.secrets, "secrets", body.secrets, "is not a stored secret")),
    ...(await checkNames(
      deps.externalDbs,
      "externalDbConfigs",
      body.externalDbConfigs,
      "is not a known database",
    )),
    ...(config.value ? await checkConfigReferences(deps, config.value) : []),
    ...(config.value ? await checkTemplate(deps.evaluator, config.value, body.inputSchema) : []),
    ...(config.value ? findUnlistedSecrets(config.value, body.secrets ?? []) : []),
  ];
  if (faults.length > 0 || !parsed || !config.value) return { faults };
  const checked = { version: body.version, versionOrder: toVersionOrder(parsed), config: config.value };
  return { checked, faults };
}

function checkConfig(
  deps: VersionCheckDeps,
  mcpType: string,
  config: unknown,
): { value?: JsonObject; faults: FieldFault[] } {
  if (config === undefined) return { faults: [{ path: "/config", message: "is required" }] };
  if (!isJsonObject(config)) return { faults: [{ path: "/config", message: "must be an object" }] };
  const mismatch = { path: "/config/type", message: `must be "${mcpType}", as the definition's mcpType` };
  const typeFaults = config["type"] === mcpType ? [] : [mismatch];
  const definition = deps.executors.find((one) => one.type === config["type"]);
  if (!definition) return { faults: typeFaults };
  const result = definition.configSchema.safeParse(config);
  if (!result.success) {
    return { faults: [...typeFaults, ...toSchemaFaults(result.error.issues, ["config"])] };
  }
  return typeFaults.length > 0 ? { faults: typeFaults } : { value: result.data as JsonObject, faults: [] };
}

async function checkSchemas(deps: VersionCheckDeps, body: CreateMcpVersion): Promise<FieldFault[]> {
  const faults: FieldFault[] = [];
  for (const field of ["inputSchema", "outputSchema"] as const) {
    const schema = body[field];
    if (schema === undefined) continue;
    faults.push(...prefixed(`/${field}`, await deps.evaluator.inspectSchema(schema as JsonValue)));
  }
  return faults;
}

async function checkNames(
  lookup: NameLookup | undefined,
  field: string,
  names: readonly string[] = [],
  message: string,
): Promise<FieldFault[]> {
  const unknown = await findUnknownNames(lookup, names);
  return names.flatMap((name, at) => {
    if (unknown.has(name)) return [{ path: `/${field}/${at}`, message: `"${name}" ${message}` }];
    return names.indexOf(name) === at
      ? []
      : [{ path: `/${field}/${at}`, message: `"${name}" is named twice` }];
  });
}

/** References to secrets that the version does not list: they would never be filled. */
function findUnlistedSecrets(config: JsonObject, listed: readonly string[]): FieldFault[] {
  if (config["type"] !== "mcp_package") return [];
  const faults: FieldFault[] = [];
  const open: [string, JsonValue][] = [["/config", config]];
  for (let next = open.pop(); next; next = open.pop()) {
    const [path, value] = next;
    const unlisted =
      typeof value === "string" ? listSecretNames(value).find((name) => !listed.includes(name)) : undefined;
    if (unlisted !== undefined)
      faults.push({ path, message: `refers to "${unlisted}", which secrets does not list` });
    if (typeof value !== "object" || value === null) continue;
    for (const [name, member] of Object.entries(value))
      open.push([`${path}/${escapePointerToken(name)}`, member]);
  }
  return faults;
}

/** What a prompt refers to: components as tools, and the schema of its answer. */
async function checkConfigReferences(deps: VersionCheckDeps, config: JsonObject): Promise<FieldFault[]> {
  if (config["type"] !== "llm_prompt") return [];
  const faults: FieldFault[] = [];
  const format = config["responseFormat"];
  if (isJsonObject(format) && format["schema"] !== undefined) {
    faults.push(
      ...prefixed("/config/responseFormat/schema", await deps.evaluator.inspectSchema(format["schema"])),
    );
  }
  const tools = Array.isArray(config["tools"]) ? config["tools"] : [];
  const references = tools.map((tool) => parseMcpReference(String(tool).replace(/^mcp:/, "")));
  const known = await resolveMcps(
    deps.knex,
    references.filter((reference): reference is McpReference => "name" in reference),
  );
  references.forEach((reference, at) => {
    const path = `/config/tools/${at}`;
    if ("error" in reference) faults.push({ path, message: reference.error });
    else if (!known.get(referenceKey(reference))?.version) {
      faults.push({ path, message: `${String(tools[at])} is not a known component version` });
    }
  });
  return faults;
}

/** The template of a prompt, and what it reads, as far as the inputs are known before a run. */
async function checkTemplate(
  evaluator: SafeEvaluator,
  { type, userPromptTemplate }: JsonObject,
  inputSchema: unknown,
): Promise<FieldFault[]> {
  if (type !== "llm_prompt" || typeof userPromptTemplate !== "string") return [];
  const path = "/config/userPromptTemplate";
  const { error, variables } = await evaluator.inspectTemplate(userPromptTemplate);
  if (error !== undefined) return [{ path, message: error }];
  if (!isJsonObject(inputSchema) || inputSchema["additionalProperties"] !== false) return [];
  const { properties, patternProperties } = inputSchema;
  if (patternProperties !== undefined || !isJsonObject(properties)) return [];
  return variables
    .filter((name) => !Object.hasOwn(properties, name))
    .map((name) => ({ path, message: `reads "${name}", which the inputSchema does not have` }));
}

/** The same faults, seen from further out. */
export function prefixed(prefix: string, faults: readonly FieldFault[]): FieldFault[] {
  return faults.map(({ path, message }) => ({ path: prefix + path, message }));
}
