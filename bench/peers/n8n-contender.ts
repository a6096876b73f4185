import { execFile } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { Pool } from "undici";
import { readBareEnvironment } from "../bench-settings.js";
import type { Contender } from "../contender.js";
import { findFreePort } from "../redis-server.js";
import type { Shape } from "../workloads.js";
import { nodeOfPeer } from "./install-peer.js";
import { buildN8nWorkflow } from "./n8n-workflow.js";
import { type PeerServer, startPeerServer, untilAnswer } from "./peer-server.js";

const COMMAND_LIMIT_MS = 180_000;
const READY_LIMIT_MS = 180_000;

/** Where n8n was installed, and the servers that it shares with the others. */
export interface N8nOptions {
  readonly folder: string;
  readonly dataDir: string;
  readonly databaseUrl: string;
  readonly redisUrl: string;
  readonly logFile: string;
}

/** n8n in queue mode with its defaults: one main process that answers webhooks, one worker process. */
export async function openN8nContender(options: N8nOptions): Promise<Contender> {
  mkdirSync(options.dataDir, { recursive: true });
  const port = await findFreePort();
  const environment = buildEnvironment(options);
  await prepare(options, environment);
  const servers: PeerServer[] = [];
  const start = async (args: readonly string[], more: Record<string, string>): Promise<PeerServer> => {
    const broker = { N8N_RUNNERS_BROKER_PORT: String(await findFreePort()) };
    const server = startPeerServer({
      command: nodeOfPeer(options.folder),
      args: [programOf(options), ...args],
      environment: { ...environment, ...broker, ...more },
      cwd: options.dataDir,
      logFile: options.logFile,
    });
    servers.push(server);
    return server;
  };
  const pool = new Pool(`http://127.0.0.1:${port}`, { connections: 64 });
  const close = async (): Promise<void> => {
    await pool.destroy();
    for (const server of servers.reverse()) await server.stop();
  };
  const call = async (path: string): Promise<void> => {
    const answer = await pool.request({ method: "POST", path, headersTimeout: 60_000 });
    const text = await answer.body.text();
    // while it starts it answers 200 with a page that says so
    const isJson = String(answer.headers["content-type"]).includes("json");
    if (answer.statusCode !== 200 || !isJson) {
      throw new Error(`n8n: ${answer.statusCode} ${text.slice(0, 200).replaceAll(/\s+/g, " ")}`);
    }
  };
  try {
    await start(["start"], { N8N_PORT: String(port) });
    const worker = await start(["worker"], {});
    const isReady = async (): Promise<boolean> => {
      await call("/webhook/w1");
      return true;
    };
    await untilAnswer("n8n", isReady, READY_LIMIT_MS);
    return {
      name: "n8n",
      workerPid: worker.pid,
      lacks: ["fanOut"],
      run: async (shape) => await call(`/webhook/${pathOf(shape)}`),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

function pathOf(shape: Shape): string {
  return shape.kind === "single" ? "w1" : "w2";
}

/** Its schema, and the two workflows. */
async function prepare(options: N8nOptions, environment: Record<string, string>): Promise<void> {
  const file = join(options.dataDir, "workflows.json");
  writeFileSync(file, JSON.stringify([buildN8nWorkflow("w1", 1), buildN8nWorkflow("w2", 10)]));
  const commands = [
    ["import:workflow", `--input=${file}`],
    ["publish:workflow", "--id=w1"],
    ["publish:workflow", "--id=w2"],
  ];
  for (const command of commands) {
    await promisify(execFile)(nodeOfPeer(options.folder), [programOf(options), ...command], {
      env: { ...readBareEnvironment(), ...environment },
      cwd: options.dataDir,
      timeout: COMMAND_LIMIT_MS,
      maxBuffer: 2 ** 24,
    });
  }
}

function programOf({ folder }: N8nOptions): string {
  return join(folder, "node_modules/n8n/bin/n8n");
}

function buildEnvironment(options: N8nOptions): Record<string, string> {
  const [database, redis] = [new URL(options.databaseUrl), new URL(options.redisUrl)];
  return {
    N8N_USER_FOLDER: options.dataDir,
    N8N_ENCRYPTION_KEY: "a key of no worth for the benchmark",
    N8N_LISTEN_ADDRESS: "127.0.0.1",
    N8N_DIAGNOSTICS_ENABLED: "false",
    N8N_VERSION_NOTIFICATIONS_ENABLED: "false",
    N8N_TEMPLATES_ENABLED: "false",
    DB_TYPE: "postgresdb",
    DB_POSTGRESDB_HOST: database.hostname,
    DB_POSTGRESDB_PORT: database.port,
    DB_POSTGRESDB_DATABASE: database.pathname.slice(1),
    DB_POSTGRESDB_USER: decodeURIComponent(database.username),
    DB_POSTGRESDB_PASSWORD: decodeURIComponent(database.password),
    EXECUTIONS_MODE: "queue",
    QUEUE_BULL_REDIS_HOST: redis.hostname,
    QUEUE_BULL_REDIS_PORT: redis.port,
    QUEUE_BULL_PREFIX: "n8n_bench",
  };
}
