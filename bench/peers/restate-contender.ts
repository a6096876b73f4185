import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { Pool } from "undici";
import { type Contender, RUN_LIMIT_MS } from "../contender.js";
import { findFreePort } from "../redis-server.js";
import { startWorkerChild } from "../worker-child.js";
import { nodeOfPeer } from "./install-peer.js";
import { startPeerServer, untilAnswer } from "./peer-server.js";

const READY_LIMIT_MS = 60_000;

/** Restate: its server, a process with the handlers, and runs that come in by HTTP and are waited for: its one door. */
export async function openRestateContender(options: {
  readonly folder: string;
  readonly dataDir: string;
  readonly logFile: string;
}): Promise<Contender> {
  const { folder, dataDir, logFile } = options;
  mkdirSync(dataDir, { recursive: true });
  const [ingress, admin, node] = [await findFreePort(), await findFreePort(), await findFreePort()];
  const server = startPeerServer({
    command: join(
      folder,
      `node_modules/@restatedev/restate-server-${process.platform}-${process.arch}/bin/restate-server`,
    ),
    args: [
      "--bind-ip",
      "127.0.0.1",
      "--bind-port",
      String(node),
      "--listen-mode",
      "tcp",
      "--base-dir",
      dataDir,
    ],
    environment: {
      RESTATE_INGRESS__BIND_PORT: String(ingress),
      RESTATE_ADMIN__BIND_PORT: String(admin),
      RESTATE_LOG_FILTER: "warn",
    },
    cwd: dataDir,
    logFile,
  });
  const worker = await startWorkerChild({
    program: "peers/restate-worker.js",
    environment: { BENCH_PEER_FOLDER: folder },
    nodeProgram: nodeOfPeer(folder),
    logFile,
  });
  const pool = new Pool(`http://127.0.0.1:${ingress}`, { connections: 64, headersTimeout: RUN_LIMIT_MS });
  const close = async (): Promise<void> => {
    await pool.destroy();
    await worker.stop();
    await server.stop();
  };
  try {
    const register = async (): Promise<boolean> =>
      await post(`http://127.0.0.1:${admin}/deployments`, worker.address);
    await untilAnswer("restate-server", register, READY_LIMIT_MS);
    return {
      name: "restate",
      workerPid: worker.pid,
      async run(shape) {
        const body = JSON.stringify(shape);
        const headers = { "content-type": "application/json" };
        const answer = await pool.request({ method: "POST", path: "/bench/run", headers, body });
        const text = await answer.body.text();
        if (answer.statusCode !== 200) throw new Error(`restate: ${answer.statusCode} ${text.slice(0, 200)}`);
      },
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

async function post(url: string, uri: string | undefined): Promise<boolean> {
  const headers = { "content-type": "application/json" };
  const answer = await fetch(url, { method: "POST", headers, body: JSON.stringify({ uri }) });
  if (answer.ok) return true;
  throw new Error((await answer.text()).slice(0, 300));
}
