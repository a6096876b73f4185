import { join } from "node:path";
import { makeDatabase } from "../bench-postgres.js";
import type { Contender } from "../contender.js";
import type { GrowthStage } from "../growth/installation.js";
import { openDbosContender } from "./dbos-contender.js";
import { openHttpContender } from "./http-contender.js";
import { installPeer } from "./install-peer.js";
import { openN8nContender } from "./n8n-contender.js";
import type { PeerName } from "./peer-names.js";
import { openRestateContender } from "./restate-contender.js";

/** What peers are opened with. */
export interface PeerStage extends GrowthStage {
  /** Where they are installed; kept for the next run when it is not the benchmark's own folder. */
  readonly peersFolder: string;
  readonly closers: (() => Promise<void>)[];
}

/**
 * Installs and starts other systems, and beside n8n also Headrace behind its HTTP API. One that cannot be
 * installed or does not start is told of and left out.
 */
export async function openPeers(names: readonly PeerName[], stage: PeerStage): Promise<Contender[]> {
  const contenders: Contender[] = [];
  const add = async (name: string, open: () => Promise<Contender>): Promise<void> => {
    stage.signal.throwIfAborted();
    stage.progress(`starting ${name}`);
    try {
      const contender = await open();
      stage.closers.push(contender.close);
      contenders.push(contender);
    } catch (error) {
      stage.progress(`${name} is left out: ${error instanceof Error ? error.message : String(error)}`);
    }
  };
  if (names.includes("n8n")) await add("Headrace behind its HTTP API", () => openHttpContender(stage));
  for (const name of names) await add(name, () => openPeer(name, stage));
  return contenders;
}

async function openPeer(name: PeerName, stage: PeerStage): Promise<Contender> {
  const folder = await installPeer(name, { ...stage, folder: stage.peersFolder });
  const dataDir = join(stage.folder, `peer-${name}`);
  const logFile = join(stage.folder, `${name}.log`);
  if (name === "restate") return await openRestateContender({ folder, dataDir, logFile });
  const database = await makeDatabase(stage.postgres.url);
  stage.closers.push(database.stop);
  if (name === "dbos") return await openDbosContender({ folder, databaseUrl: database.url });
  const { url: databaseUrl } = database;
  return await openN8nContender({ folder, dataDir, databaseUrl, redisUrl: stage.redis.url, logFile });
}
