import { runProcess } from "../../src/lifecycle/run-process.js";
import { readOwnEnvironment } from "../bench-settings.js";
import { findFreePort } from "../redis-server.js";
import { type Shape, stepsOf } from "../workloads.js";
import { loadPeerModule } from "./install-peer.js";

/** What is used of `@restatedev/restate-sdk`. */
interface RestateModule {
  service(definition: {
    name: string;
    handlers: Record<string, (context: RestateContext, shape: Shape) => Promise<string>>;
  }): unknown;
  serve(options: { services: unknown[]; port: number }): Promise<number>;
}
interface RestateContext {
  run(name: string, work: () => Promise<string>): PromiseLike<string>;
}

/** The process that Restate's server calls for each run. */
async function start() {
  const folder = readOwnEnvironment()["BENCH_PEER_FOLDER"] ?? "";
  const restate = (await loadPeerModule(folder, "@restatedev/restate-sdk")) as RestateModule;
  const step = (context: RestateContext, name: string) => context.run(name, () => Promise.resolve(""));
  const bench = restate.service({
    name: "bench",
    handlers: {
      async run(context, shape) {
        const steps = stepsOf(shape);
        if (shape.kind !== "fanOut") {
          for (const { id } of steps) await step(context, id);
          return "done";
        }
        const branches = steps.slice(0, -1).map(({ id }) => step(context, id));
        for (const branch of branches) await branch;
        await step(context, "join");
        return "done";
      },
    },
  });
  const port = await findFreePort();
  await restate.serve({ services: [bench], port });
  return { address: `http://127.0.0.1:${port}`, close: () => Promise.resolve() };
}

function reportError(error: unknown): void {
  process.stderr.write(`restate worker: ${error instanceof Error ? error.message : String(error)}\n`);
}

process.exit(await runProcess({ start, closeLimitMs: 5000, isSupervised: true, onFatal: reportError }));
