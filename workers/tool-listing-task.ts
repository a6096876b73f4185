import type { Platform } from "../src/container.js";
import { toError } from "../src/errors/app-error.js";
import { ExecutionError, type Executor, type McpType } from "../src/executors/types.js";
import {
  answerListing,
  type ListingEnd,
  takeListing,
  type TakenListing,
} from "../src/services/mcp-registry/tool-listing-requests.js";
import { type ComponentCache, createComponentCache } from "./execution/component-cache.js";
import { toFault, toShownError } from "./execution/run-attempt.js";
import { CLOSED_DOOR } from "./execution/component-door.js";
import { toSecretsInContext } from "./execution/run-executor.js";
import { createSecretMask } from "./execution/secret-mask.js";
import type { Loop } from "./loop.js";
import type { WorkerSandbox } from "./sandbox/create-sandbox.js";

/** What listing tools for the API needs of a worker. */
export interface ToolListingDeps {
  readonly platform: Platform;
  readonly isolation: WorkerSandbox;
  readonly executors: ReadonlyMap<McpType, Executor>;
}

/** Servers that one worker starts at a time for being asked. */
const AT_ONCE = 2;
const LEAST_SECONDS = 1;

/** Answers requests of the API for the tools of packages. Its `stop` ends those under way: whoever waits is told. */
export async function startToolListings(deps: ToolListingDeps): Promise<Loop> {
  const { knex, pubSub, logger } = deps.platform;
  const getComponent = createComponentCache({ knex });
  const controller = new AbortController();
  const running = new Set<Promise<void>>();

  async function takeAll(): Promise<void> {
    for (let taken = await takeListing(knex); taken; taken = await takeListing(knex)) {
      await answerListing(knex, taken.id, await listTools(deps, getComponent, taken, controller.signal));
      if (controller.signal.aborted) return;
    }
  }

  function wake(): void {
    if (running.size >= AT_ONCE || controller.signal.aborted) return;
    const work = takeAll()
      .catch((error: unknown) => logger.warn({ err: toError(error) }, "tools not listed"))
      .finally(() => running.delete(work));
    running.add(work);
  }

  const unsubscribe = await pubSub.subscribe("tool-listings", wake);
  return {
    async stop() {
      controller.abort(new ExecutionError("worker_lost", "The worker stops"));
      await unsubscribe();
      await Promise.all(running);
    },
  };
}

async function listTools(
  { platform, isolation, executors }: ToolListingDeps,
  getComponent: ComponentCache,
  { mcpVersionId, remainingMs }: TakenListing,
  stopping: AbortSignal,
): Promise<ListingEnd> {
  const limit = new AbortController();
  const why = new ExecutionError("timeout", "The server did not list its tools in time");
  const timer = setTimeout(() => limit.abort(why), remainingMs);
  const signal = AbortSignal.any([stopping, limit.signal]);
  const workdir = await isolation.workdirs.make();
  let mask = createSecretMask([]);
  try {
    const component = await getComponent(mcpVersionId);
    const executor = executors.get(component.type);
    if (!executor?.listTools) throw new ExecutionError("invalid_input", `${component.type} has no tools`);
    const secrets = await platform.secrets.readBound(component.secrets);
    mask = createSecretMask([...secrets.values()].map(({ value }) => value));
    const listing = await executor.listTools(component.config, {
      runId: "",
      stepId: "",
      attempt: 1,
      signal,
      // nobody follows it: what a server says is in its error, if there is one
      emit: { log: () => undefined, progress: () => undefined, token: () => undefined },
      sandbox: isolation.sandbox,
      workdir,
      timeoutSeconds: Math.max(LEAST_SECONDS, Math.floor(remainingMs / 1_000)),
      mcpVersionId,
      ...toSecretsInContext(secrets, []),
      mask,
      components: CLOSED_DOOR,
      artifacts: { save: async () => await Promise.reject(new Error("Listing tools keeps no artifacts")) },
      limits: { maxOutputBytes: platform.settings.MAX_OUTPUT_BYTES },
    });
    return { listing };
  } catch (error) {
    const fault = toFault(error, signal);
    if (fault.code === "internal")
      platform.logger.error({ err: toError(error), mcpVersionId }, "tools not listed");
    return { error: toShownError(fault, mask) };
  } finally {
    clearTimeout(timer);
    await isolation.workdirs.remove(workdir);
  }
}
