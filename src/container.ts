import type { Knex } from "knex";
import type { JsonValue } from "./core/json.js";
import { type Keys, loadKeys } from "./config/load-keys.js";
import type { Settings } from "./config/settings-schema.js";
import type { QueryWalls } from "./connectors/types.js";
import { openPubSub } from "./events/open-pub-sub.js";
import type { PubSub } from "./events/pub-sub.js";
import { openDatabase } from "./models/database.js";
import { createOutgoingGuard } from "./outgoing/outgoing-guard.js";
import type { Logger } from "./observability/logger.js";
import { createMetrics, type Metrics } from "./observability/metrics.js";
import { openQueues, type QueueBackend } from "./queues/queue-connections.js";
import { createRunQueue } from "./queues/create-run-queue.js";
import type { RunQueue } from "./queues/run-queue.js";
import { type ArtifactStore, createArtifactStore } from "./services/artifacts/artifact-store.js";
import type { ArtifactFiles } from "./services/artifacts/artifact-files.js";
import { openArtifactFiles } from "./services/artifacts/open-artifact-files.js";
import { type AuditLog, createAuditLog } from "./services/audit/audit-log.js";
import { type Admission, createAdmission } from "./services/engine/admission.js";
import { createEngine, type Engine } from "./services/engine/engine.js";
import { createOutcomeFollower, type OutcomeFollower } from "./services/engine/follow-outcome.js";
import { createItemJoiner } from "./services/engine/join-items.js";
import { createInputResolver, type InputResolver } from "./services/engine/resolve-inputs.js";
import { createRunCloser, type RunCloser } from "./services/engine/run-closer.js";
import { createSubRuns, type SubRuns } from "./services/engine/sub-runs.js";
import type { SafeEvaluator } from "./services/evaluation-types.js";
import { createSafeEvaluator } from "./services/expressions/safe-evaluator.js";
import {
  type ConnectionManager,
  createConnectionManager,
} from "./services/external-dbs/connection-manager.js";
import { createToolContracts, type ToolContracts } from "./services/mcp-registry/tool-contracts.js";
import { createSecretStore, type SecretStore } from "./services/secrets/secret-store.js";

/** What every process of Headrace stands on: connections, the engine, and the services that all share. */
export interface Platform {
  readonly settings: Settings;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly databaseUrl: string;
  readonly knex: Knex;
  readonly queues: QueueBackend;
  readonly runQueue: RunQueue;
  readonly pubSub: PubSub;
  readonly engine: Engine;
  readonly evaluator: SafeEvaluator;
  readonly audit: AuditLog;
  readonly keys: Keys;
  readonly secrets: SecretStore;
  /** The ways to external databases. */
  readonly connections: ConnectionManager;
  readonly toolContracts: ToolContracts;
  readonly artifacts: ArtifactStore;
  readonly artifactFiles: ArtifactFiles;
  readonly resolver: InputResolver;
  readonly closeRun: RunCloser;
  readonly followOutcome: OutcomeFollower;
  readonly subRuns: SubRuns;
  readonly admission: Admission;
  /** Closes everything, in the mirror order of opening. */
  close(): Promise<void>;
}

/** What a platform is opened with. */
export interface PlatformOptions {
  readonly settings: Settings;
  /** The server to use; the settings' own, or the embedded one's. */
  readonly databaseUrl: string;
  readonly logger: Logger;
  /** `api`, `worker` or `scheduler`: shown in `pg_stat_activity`. */
  readonly role: string;
}

/** Opens what every process needs. @throws when the database or the queue cannot be reached at start. */
export async function openPlatform(options: PlatformOptions): Promise<Platform> {
  const { settings, databaseUrl, logger, role } = options;
  const metrics = createMetrics({ collectDefaults: true });
  const knex = openDatabase({
    url: databaseUrl,
    poolSize: settings.DATABASE_POOL_SIZE,
    applicationName: `headrace-${role}`,
    logger,
  });
  const connection = { redisUrl: settings.REDIS_URL, databaseUrl, prefix: settings.QUEUE_PREFIX, logger };
  const queues = await openQueues(connection);
  const pubSub = await openPubSub(connection);
  const runQueue = createRunQueue(queues);
  const engine = createEngine({ databaseUrl, knex, runQueue, pubSub, logger, metrics });
  const evaluator = createSafeEvaluator();
  const keys = loadKeys(settings);
  const audit = createAuditLog({ knex, keys });
  const secrets = createSecretStore({ knex, audit, keys });
  const connections = openConnections({ settings, knex, keys, logger });
  const parts = openRunServices({ settings, knex, engine, evaluator, secrets, logger });
  return {
    settings,
    logger,
    metrics,
    databaseUrl,
    knex,
    queues,
    runQueue,
    pubSub,
    engine,
    evaluator,
    audit,
    keys,
    secrets,
    connections,
    toolContracts: createToolContracts({ knex }),
    ...parts,
    async close() {
      await parts.subRuns.close();
      await parts.admission.close();
      await engine.close();
      await connections.close();
      await evaluator.close();
      parts.artifactFiles.close();
      await pubSub.close();
      await queues.close();
      await knex.destroy();
    },
  };
}

type ConnectionParts = Pick<Platform, "settings" | "knex" | "keys" | "logger">;

function openConnections({ settings, knex, keys, logger }: ConnectionParts) {
  const guard = createOutgoingGuard({ allowedPrivateHosts: settings.ALLOWED_HOSTS_PRIVATE });
  const hasWalls = settings.SANDBOX === "auto" || settings.SANDBOX === "namespace";
  const ground = {
    ...{ guard, dataDir: settings.DATA_DIR, python: settings.PYTHON },
    ...(hasWalls ? { openWalls: createWallsOpener(logger) } : {}),
  };
  return createConnectionManager({ knex, keys, ground });
}

/** Tries the walls of queries once, and only in a process that is asked for one. */
function createWallsOpener(logger: Logger): () => Promise<QueryWalls | undefined> {
  let walls: Promise<QueryWalls | undefined> | undefined;
  const open = async (): Promise<QueryWalls | undefined> => {
    const { openQueryWalls } = await import("../workers/sandbox/query-walls.js");
    const opened = await openQueryWalls();
    if (!opened) logger.warn("bubblewrap does not work here: SQLite and DuckDB are queried without walls");
    return opened;
  };
  return async () => await (walls ??= open());
}

/** What runs need beside the engine, in the API and the scheduler as in a worker. */
function openRunServices(
  deps: Pick<Platform, "settings" | "knex" | "engine" | "evaluator" | "secrets" | "logger">,
) {
  const { settings, knex, engine, evaluator, secrets, logger } = deps;
  const artifactFiles = openArtifactFiles(settings);
  const limits = { maxFiles: settings.MAX_ARTIFACT_FILES, maxTotalBytes: settings.MAX_ARTIFACT_BYTES };
  const artifacts = createArtifactStore({ files: artifactFiles, knex, limits });
  const readLargeOutput = async (id: string): Promise<JsonValue> =>
    await artifacts.readJson(id, settings.MAX_OUTPUT_BYTES);
  const resolver = createInputResolver({
    knex,
    evaluator,
    readLargeOutput,
    readSecrets: async (names) => await secrets.readBound(names),
    maxItems: settings.MAX_ITEMS,
  });
  const closeRun = createRunCloser({ engine, resolver, logger });
  const joinItems = createItemJoiner({
    knex,
    engine,
    artifacts,
    readLargeOutput,
    maxOutputBytes: settings.MAX_OUTPUT_BYTES,
  });
  const followOutcome = createOutcomeFollower({ joinItems, closeRun });
  const subRuns = createSubRuns({ knex, engine, followOutcome, logger });
  const admission = createAdmission({ knex, engine, evaluator, closeRun, logger });
  return { artifacts, artifactFiles, resolver, closeRun, followOutcome, subRuns, admission };
}
