import type { Knex } from "knex";
import type { JsonObject, JsonValue } from "../../src/core/json.js";
import { parseMcpReference } from "../../src/core/mcp-reference.js";
import {
  type ComponentDoor,
  type ComponentFacts,
  ExecutionError,
  type PackageTool,
  type SecretMask,
} from "../../src/executors/types.js";
import { referenceKey, resolveMcps } from "../../src/services/mcp-registry/resolve-mcps.js";
import type { SecretValue } from "../../src/services/secrets/secret-store.js";
import type { ComponentCache } from "./component-cache.js";
import { createMaskedEmitter } from "./masked-emitter.js";
import type { ExecutorRun } from "./run-executor.js";
import { createSecretMask } from "./secret-mask.js";

/** What the doors of a worker's executions stand on. */
export interface ComponentDoorDeps {
  readonly knex: Knex;
  readonly getComponent: ComponentCache;
  readonly readSecrets: (names: readonly string[]) => Promise<ReadonlyMap<string, SecretValue>>;
  /** The tools of a package, as its stored contract has them; undefined when it has none. */
  readonly readTools: (mcpVersionId: string) => Promise<readonly PackageTool[] | undefined>;
  readonly runExecutor: (run: ExecutorRun) => Promise<JsonValue>;
}

/** How deep components may call each other: a prompt, its tool, that one's tool. */
const MOST_DEPTH = 3;
const DEFAULT_TIMEOUT_SECONDS = 600;

interface Named {
  readonly id: string;
  readonly name: string;
  readonly description: string;
}

/** For executions that call no other component. */
export const CLOSED_DOOR: ComponentDoor = {
  describe: async (reference) => await Promise.reject(unknownComponent(reference)),
  call: async (reference) => await Promise.reject(unknownComponent(reference)),
};

/** Makes the doors by which executions call other components. */
export function createComponentDoors(deps: ComponentDoorDeps) {
  return function openDoor(run: ExecutorRun): ComponentDoor {
    const resolved = new Map<string, Promise<Named>>();
    const resolve = (reference: string) => {
      const known = resolved.get(reference) ?? findVersion(deps.knex, reference);
      resolved.set(reference, known);
      return known;
    };
    return {
      describe: async (reference) => await describe(deps, await resolve(reference)),
      call: async (reference, inputs) =>
        await call(deps, run, await resolve(reference), { reference, inputs }),
    };
  };
}

async function findVersion(knex: Knex, reference: string): Promise<Named> {
  const parsed = parseMcpReference(reference.replace(/^mcp:/, ""));
  const found = "error" in parsed ? undefined : (await resolveMcps(knex, [parsed])).get(referenceKey(parsed));
  const id = found?.version?.id;
  if (id === undefined) throw unknownComponent(reference);
  const row: Omit<Named, "id"> | undefined = await knex("mcp_versions AS version")
    .join("mcp_definitions AS definition", "definition.id", "version.mcp_definition_id")
    .first(
      "definition.name",
      knex.raw(`coalesce(nullif(version.description, ''), definition.description) AS description`),
    )
    .where("version.id", id);
  if (!row) throw unknownComponent(reference);
  return { id, ...row };
}

function unknownComponent(reference: string): ExecutionError {
  return new ExecutionError("invalid_input", `There is no component ${reference}`);
}

async function describe(deps: ComponentDoorDeps, { id, name, description }: Named): Promise<ComponentFacts> {
  const component = await deps.getComponent(id);
  const inputSchema = component.inputSchema as JsonObject | null;
  if (component.type !== "mcp_package") return { name, description, inputSchema };
  const tools = await deps.readTools(id);
  const { tool } = component.config as { readonly tool?: string };
  if (tool === undefined) return { name, description, inputSchema, ...(tools && { tools }) };
  const fixed = tools?.find((one) => one.name === tool);
  return {
    name,
    description: description || (fixed?.description ?? ""),
    inputSchema: inputSchema ?? fixed?.inputSchema ?? null,
  };
}

async function call(
  deps: ComponentDoorDeps,
  outer: ExecutorRun,
  { id, name }: Named,
  { reference, inputs }: { readonly reference: string; readonly inputs: JsonObject },
): Promise<JsonValue> {
  assertMayCall(outer, id, reference);
  const component = await deps.getComponent(id);
  const timeoutSeconds = component.config.timeoutSeconds ?? DEFAULT_TIMEOUT_SECONDS;
  const secrets = await deps.readSecrets(component.secrets);
  const mask = createSecretMask([...secrets.values()].map(({ value }) => value));
  const ownTime = new AbortController();
  const timer = setTimeout(() => {
    const message = `${reference} took longer than ${timeoutSeconds} seconds`;
    ownTime.abort(new ExecutionError("timeout", message));
  }, timeoutSeconds * 1000);
  const emit = createMaskedEmitter(outer.emit, mask, name);
  try {
    const output = await deps.runExecutor({
      ...outer,
      mcpVersionId: id,
      above: [...outer.above, outer.mcpVersionId],
      input: inputs,
      secrets,
      emit,
      mask: joinMasks(outer.mask, mask),
      signal: AbortSignal.any([outer.signal, ownTime.signal]),
      timeoutSeconds,
    });
    return mask.json(output);
  } catch (error) {
    outer.signal.throwIfAborted();
    if (ownTime.signal.aborted) throw ownTime.signal.reason;
    throw maskError(error, mask);
  } finally {
    emit.end();
    clearTimeout(timer);
  }
}

/** The input may hold what the caller's mask hides. */
function joinMasks(outer: SecretMask, own: SecretMask): SecretMask {
  return {
    text: (value) => own.text(outer.text(value)),
    json: (value) => own.json(outer.json(value)),
  };
}

function assertMayCall({ above, mcpVersionId }: ExecutorRun, id: string, reference: string): void {
  const chain = [...above, mcpVersionId];
  if (chain.includes(id))
    throw new ExecutionError("invalid_input", `${reference} calls itself, by way of its tools`);
  if (chain.length >= MOST_DEPTH) {
    throw new ExecutionError("invalid_input", `Components call each other at most ${MOST_DEPTH} deep`);
  }
}

function maskError(error: unknown, mask: ReturnType<typeof createSecretMask>): unknown {
  // one of a class of its own is a word to the runner and holds nothing of the component
  if (!(error instanceof ExecutionError) || error.constructor !== ExecutionError) return error;
  const { code, details, retryable } = error;
  return new ExecutionError(code, String(mask.cut(error.message)), {
    ...(details === undefined ? {} : { details: mask.cut(details) }),
    retryable,
    cause: error,
  });
}
