import { appendFileSync, chmodSync, closeSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import type { Random } from "../simulation/random.js";

/** One execution of a step, as seen from outside of the database and the queue. */
export interface Sighting {
  readonly runId: string;
  readonly stepId: string;
  readonly itemIndex: number;
  /** Milliseconds since the epoch. */
  readonly at: number;
}

/** What steps report to: every execution is a line of a file. */
export interface ChaosWitness {
  readonly port: number;
  /** Where scripts append `<run> <step> <item> <milliseconds since the epoch>` themselves. */
  readonly scriptFile: string;
  sightings(): Sighting[];
  close(): Promise<void>;
}

/**
 * Starts it. How a step is answered goes by its id: `flaky…` fails the first time, `bad…` always, `some…` for every
 * fourth item; `slow…` takes seconds, the others a moment.
 */
export async function startChaosWitness(folder: string, random: Random): Promise<ChaosWitness> {
  const file = join(folder, "http-steps.log");
  const scriptFile = join(folder, "scripts.log");
  writeFileSync(file, "");
  closeSync(openSync(scriptFile, "a"));
  chmodSync(scriptFile, 0o666); // scripts run as users of their own
  const seen = new Map<string, number>();
  const server = createServer((request, response) => {
    request.resume();
    const [, runId = "", stepId = "", item = "-1"] = (request.url ?? "").split("/");
    const key = `${runId} ${stepId} ${item}`;
    const count = (seen.get(key) ?? 0) + 1;
    seen.set(key, count);
    appendFileSync(file, `${key} ${Date.now()}\n`);
    const isBad =
      stepId.startsWith("bad") ||
      (stepId.startsWith("flaky") && count === 1) ||
      (stepId.startsWith("some") && Number(item) % 4 === 3);
    const delayMs = stepId.startsWith("slow") ? random.int(1500, 5000) : random.int(0, 120);
    setTimeout(() => {
      response.writeHead(isBad ? 500 : 200, { "content-type": "application/json" }).end('{"seen":true}');
    }, delayMs);
  });
  // a worker that is killed or stopped breaks its connections: that is what this is about
  server.on("clientError", (_error, socket) => socket.destroy());
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: (server.address() as AddressInfo).port,
    scriptFile,
    sightings: () => [...readLines(file), ...readLines(scriptFile)],
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function readLines(file: string): Sighting[] {
  return readFileSync(file, "utf8")
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => {
      const [runId = "", stepId = "", item = "-1", at] = line.split(" ");
      return { runId, stepId, itemIndex: Number(item), at: Number(at) };
    });
}
