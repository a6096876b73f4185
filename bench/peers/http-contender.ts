import type { Contender } from "../contender.js";
import { type ApiClient, signIn } from "../growth/api-client.js";
import { type GrowthStage, openInstallation } from "../growth/installation.js";
import { stepsOf } from "../workloads.js";

/** Headrace through its own door: `POST /workflow-runs?wait=60`, answered at the end of the run, as n8n's webhooks are. */
export async function openHttpContender(stage: GrowthStage): Promise<Contender> {
  const installation = await openInstallation(stage, "http");
  let client: ApiClient | undefined;
  const close = async (): Promise<void> => {
    await client?.close();
    await installation.close();
  };
  try {
    const api = await installation.startApi();
    const worker = await installation.startWorker({ WORKER_CONCURRENCY: "64" });
    const signedIn = await signIn(api.address);
    client = signedIn;
    const names = new Map<string, Promise<string>>();
    return {
      name: "headraceHttp",
      workerPid: worker.pid,
      async run(shape) {
        const key = JSON.stringify(shape);
        const steps = stepsOf(shape).map(({ id, dependsOn }) => {
          return { id, dependsOn: [...dependsOn], uses: "builtin:noop" };
        });
        const name = names.get(key) ?? installation.driver.publish(steps);
        names.set(key, name);
        await signedIn.runToEnd(await name);
      },
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}
