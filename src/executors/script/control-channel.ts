import { z } from "zod";

const messageSchema = z.discriminatedUnion("type", [
  z.object({ type: z.literal("mode"), main: z.boolean() }),
  z.object({ type: z.literal("progress"), value: z.number(), message: z.string().optional() }),
  z.object({ type: z.literal("result"), output: z.unknown() }),
  z.object({ type: z.literal("exit"), exitCode: z.int() }),
  z.object({
    type: z.literal("error"),
    code: z.enum(["script_error", "invalid_input", "invalid_output", "out_of_memory"]),
    message: z.string(),
    path: z.string().optional(),
    traceback: z.string().optional(),
    retryable: z.boolean().optional(),
  }),
]);

/** What a harness may say about its script. */
export type ControlMessage = z.infer<typeof messageSchema>;

/** Takes the bytes of a control channel. */
export interface ControlChannel {
  push(chunk: Buffer): void;
}

/** What may come out of a channel. */
export interface ControlChannelOptions {
  /** A message may have this many bytes; its envelope is not counted. */
  readonly maxOutputBytes: number;
  onMessage(message: ControlMessage): void;
  /** Called once, when a message is longer; nothing is read after that. */
  onOverflow(): void;
}

const ENVELOPE_BYTES = 64 * 1024;
const LINE_FEED = 10;

/** Reads messages, one JSON document a line. Whatever is none is ignored: user code can reach the channel too. */
export function createControlChannel(options: ControlChannelOptions): ControlChannel {
  let pending: Buffer[] = [];
  let pendingBytes = 0;
  let isOver = false;

  function endMessage(last: Buffer): void {
    const text = Buffer.concat([...pending, last]).toString("utf8");
    pending = [];
    pendingBytes = 0;
    const message = messageSchema.safeParse(parseJson(text));
    if (message.success) options.onMessage(message.data);
  }

  return {
    push(chunk) {
      let start = 0;
      while (!isOver) {
        const at = chunk.indexOf(LINE_FEED, start);
        const piece = chunk.subarray(start, at === -1 ? undefined : at);
        if (pendingBytes + piece.length > options.maxOutputBytes + ENVELOPE_BYTES) {
          isOver = true;
          pending = [];
          options.onOverflow();
          return;
        }
        if (at === -1) {
          pending.push(piece);
          pendingBytes += piece.length;
          return;
        }
        endMessage(piece);
        start = at + 1;
      }
    },
  };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
