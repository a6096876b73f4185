import {
  type ClientRequest,
  type IncomingHttpHeaders,
  type IncomingMessage,
  request as httpRequest,
} from "node:http";

/** One frame of an event stream; comments are counted apart. */
export interface SseFrame {
  readonly id: string | undefined;
  readonly event: string | undefined;
  readonly data: string;
}

/** An open event stream, or the answer that came in its place. */
export interface SseClient {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** Frames in order; ends when the server closes. Stop reading with `close()`. */
  readonly frames: AsyncGenerator<SseFrame>;
  readonly commentCount: () => number;
  /** Stops taking bytes, and takes them again. */
  pause(): void;
  resume(): void;
  close(): void;
}

/** Opens a stream over a connection of its own. */
export async function openSse(url: string, headers: Record<string, string> = {}): Promise<SseClient> {
  let comments = 0;
  const { request, response } = await new Promise<{ request: ClientRequest; response: IncomingMessage }>(
    (resolve, reject) => {
      const request = httpRequest(
        url,
        { headers: { accept: "text/event-stream", ...headers }, agent: false },
        (response) => resolve({ request, response }),
      );
      request.on("error", reject);
      request.end();
    },
  );
  request.on("error", () => undefined); // a stream that is cut off ends its frames
  async function* readFrames(): AsyncGenerator<SseFrame> {
    let rest = "";
    try {
      for await (const chunk of response.setEncoding("utf8")) {
        const blocks = (rest + (chunk as string)).split("\n\n");
        rest = blocks.pop() ?? "";
        for (const block of blocks) {
          if (block.startsWith(":")) comments += 1;
          else yield parseFrame(block);
        }
      }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ECONNRESET") throw error;
    }
  }
  return {
    status: response.statusCode ?? 0,
    headers: response.headers,
    frames: readFrames(),
    commentCount: () => comments,
    pause: () => response.pause(),
    resume: () => response.resume(),
    close: () => request.destroy(),
  };
}

function parseFrame(block: string): SseFrame {
  const fields = new Map(
    block.split("\n").map((line): [string, string] => {
      const at = line.indexOf(": ");
      return [line.slice(0, at), line.slice(at + 2)];
    }),
  );
  return { id: fields.get("id"), event: fields.get("event"), data: fields.get("data") ?? "" };
}

/** All frames until the server closes, or until `isEnough`. */
export async function readAll(
  client: SseClient,
  isEnough: (frames: readonly SseFrame[]) => boolean = () => false,
): Promise<SseFrame[]> {
  const frames: SseFrame[] = [];
  for await (const frame of client.frames) {
    frames.push(frame);
    if (isEnough(frames)) break;
  }
  client.close();
  return frames;
}
