import { type ClientRequest, request as httpRequest } from "node:http";
import { createDeferred } from "../../src/lifecycle/deferred.js";

/** One client of a run's event stream. */
export interface StreamClient {
  /** Frames so far. */
  events(): number;
  /** Milliseconds from the time that each event carries (the database's, in its transaction) to its arrival here. */
  readonly delaysMs: readonly number[];
  /** Resolves when the server has ended the stream. */
  readonly ended: Promise<void>;
  close(): void;
}

/**
 * Opens a stream on a connection of its own; resolves with the answer's headers.
 * @throws Error when the answer is not an open stream.
 */
export async function openStream(url: string, authorization: string): Promise<StreamClient> {
  let events = 0;
  let rest = "";
  const delaysMs: number[] = [];
  let request: ClientRequest | undefined;
  const ended = createDeferred<void>();
  function take(chunk: string): void {
    const arrivedAt = Date.now();
    const blocks = (rest + chunk).split("\n\n");
    rest = blocks.pop() ?? "";
    for (const block of blocks) {
      if (block.startsWith(":") || !block.includes("data: ")) continue;
      events += 1;
      const at = /"at":"([^"]+)"/.exec(block)?.[1];
      if (at !== undefined) delaysMs.push(arrivedAt - Date.parse(at));
    }
  }
  await new Promise<void>((resolve, reject) => {
    const headers = { accept: "text/event-stream", authorization };
    request = httpRequest(url, { headers, agent: false }, (response) => {
      if (response.statusCode !== 200) {
        reject(new Error(`the stream answers ${response.statusCode}`));
        return;
      }
      response
        .setEncoding("utf8")
        .on("data", take)
        .once("close", () => ended.resolve());
      resolve();
    });
    request.on("error", reject).end();
  });
  return { events: () => events, delaysMs, ended: ended.promise, close: () => request?.destroy() };
}
