import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { StepDraft } from "./build-plan.js";

/** A server that steps call: it counts executions from outside of the database and of the queue. */
export interface Witness {
  /** A step that reports its execution as `<run>/<step>`; needs {@link Witness.environment} on the worker. */
  step(id: string, more?: Partial<StepDraft>): StepDraft;
  /** What lets a worker's steps reach it. */
  readonly environment: Readonly<Record<string, string>>;
  /** How many executions of a step of that name there were, by run. */
  countsOf(stepId: string): Map<string, number>;
  /** How many executions there were of any step. */
  total(): number;
  /** Holds answers to a step of that name back until so many have called; then all of them are answered. */
  holdUntil(stepId: string, count: number): void;
  /** Answers a step of that name so much later. */
  answerAfter(stepId: string, delayMs: number): void;
  /** Answers each run's first call of a step of that name with 503. */
  refuseFirst(stepId: string): void;
  close(): Promise<void>;
}

/** Starts it on a free port of loopback. */
export async function startWitness(): Promise<Witness> {
  const counts = new Map<string, Map<string, number>>();
  const holds = new Map<string, { readonly count: number; readonly held: ServerResponse[] }>();
  const delays = new Map<string, number>();
  const refused = new Set<string>();
  const answer = (response: ServerResponse): void => {
    response.writeHead(200, { "content-type": "application/json" }).end('{"seen":true}');
  };
  const server = createServer((request, response) => {
    request.resume();
    const [, runId = "", stepId = ""] = (request.url ?? "").split("/");
    const ofStep = counts.get(stepId) ?? new Map<string, number>();
    const count = (ofStep.get(runId) ?? 0) + 1;
    counts.set(stepId, ofStep.set(runId, count));
    if (refused.has(stepId) && count === 1) return void response.writeHead(503).end();
    const hold = holds.get(stepId);
    if (!hold) return void setTimeout(answer, delays.get(stepId) ?? 0, response);
    hold.held.push(response);
    if (hold.held.length < hold.count) return;
    holds.delete(stepId);
    hold.held.forEach(answer);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    environment: { ALLOWED_HOSTS_PRIVATE: `127.0.0.1:${port}` },
    step: (id, more = {}) => ({
      id,
      target: { kind: "builtin", name: "http" },
      ...more,
      inputs: {
        method: { value: "POST" },
        url: { expression: `"http://127.0.0.1:${port}/" & run.id & "/${id}"` },
        ...more.inputs,
      },
    }),
    countsOf: (stepId) => counts.get(stepId) ?? new Map(),
    total: () => [...counts.values()].flatMap((runs) => [...runs.values()]).reduce((sum, n) => sum + n, 0),
    holdUntil: (stepId, count) => void holds.set(stepId, { count, held: [] }),
    answerAfter: (stepId, delayMs) => void delays.set(stepId, delayMs),
    refuseFirst: (stepId) => void refused.add(stepId),
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
