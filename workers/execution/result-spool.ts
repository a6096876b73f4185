import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import type { Transition } from "../../src/core/transition.js";
import { isProcessAlive } from "../../src/lifecycle/running-process.js";
import type { Logger } from "../../src/observability/logger.js";
import type { Engine } from "../../src/services/engine/engine.js";

/** The end of an execution that could not be committed yet. */
export interface SpooledResult {
  readonly runId: string;
  readonly versionId: string;
  readonly transition: Extract<Transition, { token: string }>;
}

/** Results on this machine's disk while the database is away, so that they outlive their worker's process. */
export interface ResultSpool {
  /** Keeps a result until {@link ResultSpool.drop}. Never rejects: a full disk leaves it in memory alone. */
  keep(result: SpooledResult): Promise<void>;
  drop(token: string): Promise<void>;
  /** Commits what dead processes of this machine left; the fence decides whether it still counts. @returns how many counted. */
  commitLeftOvers(): Promise<number>;
}

/** Opens the spool in a folder, which is made when it is needed. */
export function createResultSpool(deps: { folder: string; engine: Engine; logger: Logger }): ResultSpool {
  const { folder, engine, logger } = deps;
  const host = createHash("sha256").update(hostname()).digest("hex").slice(0, 8);
  const pathOf = (token: string): string => join(folder, `${host}.${process.pid}.${token}.json`);

  async function commitFile(path: string): Promise<boolean> {
    const { runId, versionId, transition } = JSON.parse(await readFile(path, "utf8")) as SpooledResult;
    // a worker of that process would have gone on with the next step
    const settled = transition.kind === "succeed" ? { ...transition, next: undefined } : transition;
    const outcome = await engine.commit.apply(runId, versionId, settled);
    await rm(path, { force: true });
    return outcome.refusal === undefined;
  }

  return {
    async keep(result) {
      const path = pathOf(result.transition.token);
      try {
        await mkdir(folder, { recursive: true, mode: 0o700 });
        await writeFile(`${path}.part`, JSON.stringify(result), { mode: 0o600 });
        await rename(`${path}.part`, path);
      } catch (error) {
        logger.warn({ err: error, runId: result.runId }, "result kept in memory only");
      }
    },
    async drop(token) {
      await rm(pathOf(token), { force: true });
    },
    async commitLeftOvers() {
      const names = await readdir(folder).catch(() => []);
      let count = 0;
      for (const name of names) {
        const [ofHost, pid] = name.split(".");
        if (ofHost !== host || isProcessAlive(Number(pid))) continue;
        const path = join(folder, name);
        if (!name.endsWith(".json")) {
          await rm(path, { force: true });
          continue;
        }
        try {
          if (await commitFile(path)) count += 1;
        } catch (error) {
          logger.warn({ err: error, file: name }, "a kept result could not be committed");
        }
      }
      return count;
    },
  };
}
