import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

const compiled = fileURLToPath(new URL("../../dist/", import.meta.url));

/** A worker in a process of its own, which takes a job and never ends it. */
export interface DoomedWorker {
  /** Resolves when it has taken a job. */
  readonly taken: Promise<void>;
  /** SIGKILL. */
  kill(): Promise<void>;
}

/** Starts a step worker in another process, from `dist/`. */
export async function spawnStepWorker(options: {
  redisUrl?: string;
  databaseUrl: string;
  prefix: string;
  group: string;
}): Promise<DoomedWorker> {
  const program = `
    const { openQueues } = await import(${JSON.stringify(`${compiled}src/queues/queue-connections.js`)});
    const { openStepWorker } = await import(${JSON.stringify(`${compiled}src/queues/step-worker.js`)});
    const { createLogger } = await import(${JSON.stringify(`${compiled}src/observability/logger.js`)});
    const options = JSON.parse(process.argv[1]);
    const logger = createLogger({ level: "silent", name: "doomed" });
    const backend = await openQueues({ ...options, logger });
    const processor = () => { console.log("taken"); return new Promise(() => undefined); };
    await openStepWorker({ backend, logger, group: options.group, concurrency: 1, processor });
    console.log("open");
  `;
  const child = spawn(process.execPath, ["--input-type=module", "-e", program, JSON.stringify(options)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let printed = "";
  const waitFor = async (word: string): Promise<void> =>
    await new Promise<void>((resolve, reject) => {
      const check = (): void => {
        if (printed.includes(word)) resolve();
      };
      child.stdout.on("data", check);
      child.once("exit", (code) => reject(new Error(`the worker ended with ${code} before "${word}"`)));
      check();
    });
  child.stdout.on("data", (chunk: Buffer) => {
    printed += chunk.toString();
  });
  await waitFor("open");
  const taken = waitFor("taken");
  return {
    taken,
    async kill() {
      const exited = once(child, "exit");
      child.kill("SIGKILL");
      await exited;
    },
  };
}
