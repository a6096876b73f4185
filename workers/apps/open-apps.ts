import type { Platform } from "../../src/container.js";
import { createAppRows } from "../../src/services/apps/app-rows.js";
import { createGatewayPass } from "../../src/services/apps/gateway-pass.js";
import { startLoop } from "../loop.js";
import type { ResultSpool } from "../execution/result-spool.js";
import type { WorkerSandbox } from "../sandbox/create-sandbox.js";
import { openAppGateway } from "./app-gateway.js";
import { type AppHost, createAppHost } from "./app-host.js";

/** A worker's apps, with the door to them and what keeps their leases. */
export interface WorkerApps {
  readonly host: AppHost;
  /** Reads at once what the database says of an app of this worker. */
  look(appId: string): void;
  stopRun(runId: string, below: number): void;
  /** Ends all apps; steps that wait for one are given back. */
  close(): Promise<void>;
}

const BEAT_EVERY_MS = 3000;

/** Opens them on a platform. */
export async function openApps(
  platform: Platform,
  worker: { readonly id: string; readonly isolation: WorkerSandbox; readonly spool: ResultSpool },
): Promise<WorkerApps> {
  const { knex, engine, followOutcome, evaluator, artifacts, keys, settings, logger } = platform;
  const { MAX_OUTPUT_BYTES: maxOutputBytes, MAX_APPS: maxApps, APPS_ADVERTISE: advertise } = settings;
  const pass = createGatewayPass(keys);
  const gateway = await openAppGateway({ pass, logger, advertise, maxSubmitBytes: maxOutputBytes });
  const rows = createAppRows({ knex });
  const host = createAppHost({
    ...{ workerId: worker.id, ...worker.isolation, rows, engine, followOutcome, evaluator, artifacts },
    ...{ logger, maxOutputBytes, maxApps, gateway, spool: worker.spool },
  });
  gateway.serve(host.find);
  const loop = startLoop({ everyMs: BEAT_EVERY_MS, name: "apps", logger }, async () => await host.beat());
  const note = (work: Promise<void>) =>
    void work.catch((error: unknown) => logger.warn({ err: error }, "apps not looked after"));
  return {
    host,
    look(appId) {
      if (host.find(appId)) note(host.beat());
    },
    stopRun: (runId, below) => note(host.stopRun(runId, below)),
    async close() {
      await loop.stop();
      await host.close();
      await gateway.close();
    },
  };
}
