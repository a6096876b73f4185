import type { Contender } from "../contender.js";
import { stepsOf, type Shape } from "../workloads.js";
import { loadPeerModule } from "./install-peer.js";

/** What is used of `@dbos-inc/dbos-sdk`. */
interface DbosModule {
  readonly DBOS: {
    setConfig(config: { name: string; systemDatabaseUrl: string; logLevel: string }): void;
    launch(): Promise<void>;
    shutdown(): Promise<void>;
    registerWorkflow<A extends unknown[]>(
      work: (...args: A) => Promise<void>,
      config: { name: string },
    ): (...args: A) => Promise<void>;
    runStep(work: () => Promise<void>, config: { name: string }): Promise<void>;
    startWorkflow<A extends unknown[]>(
      workflow: (...args: A) => Promise<void>,
    ): (...args: A) => Promise<{ getResult(): Promise<unknown> }>;
  };
}

/** DBOS Transact: workflows as functions of this process, checkpointed in PostgreSQL. There is no worker apart. */
export async function openDbosContender(options: {
  readonly folder: string;
  readonly databaseUrl: string;
}): Promise<Contender> {
  const { DBOS } = (await loadPeerModule(options.folder, "@dbos-inc/dbos-sdk")) as DbosModule;
  DBOS.setConfig({ name: "bench", systemDatabaseUrl: options.databaseUrl, logLevel: "error" });
  const step = async (name: string): Promise<void> => await DBOS.runStep(() => Promise.resolve(), { name });
  const workflow = DBOS.registerWorkflow(
    async (shape: Shape) => {
      const steps = stepsOf(shape);
      if (shape.kind !== "fanOut") {
        for (const { id } of steps) await step(id);
        return;
      }
      await Promise.all(steps.slice(0, -1).map(({ id }) => step(id)));
      await step("join");
    },
    { name: "bench" },
  );
  await DBOS.launch();
  return {
    name: "dbos",
    workerPid: process.pid,
    async run(shape) {
      const handle = await DBOS.startWorkflow(workflow)(shape);
      await handle.getResult();
    },
    close: async () => await DBOS.shutdown(),
  };
}
