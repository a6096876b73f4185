import type { ZodType } from "zod";

/** Takes the bytes of a channel that carries messages. */
export interface MessageChannel {
  push(chunk: Buffer): void;
}

/** What may come out of a channel. */
export interface MessageChannelOptions<Message> {
  /** What is a message; anything else is ignored. */
  readonly schema: ZodType<Message>;
  readonly maxMessageBytes: number;
  onMessage(message: Message): void;
  /** Called once, when a message is longer; nothing is read after that. */
  onOverflow(): void;
}

const LINE_FEED = 10;

/** Reads messages, one JSON document a line. Whatever is none is ignored: user code can reach the channel too. */
export function createMessageChannel<Message>(options: MessageChannelOptions<Message>): MessageChannel {
  let pending: Buffer[] = [];
  let pendingBytes = 0;
  let isOver = false;

  function endMessage(last: Buffer): void {
    const text = Buffer.concat([...pending, last]).toString("utf8");
    pending = [];
    pendingBytes = 0;
    const message = options.schema.safeParse(parseJson(text));
    if (message.success) options.onMessage(message.data);
  }

  return {
    push(chunk) {
      let start = 0;
      while (!isOver) {
        const at = chunk.indexOf(LINE_FEED, start);
        const piece = chunk.subarray(start, at === -1 ? undefined : at);
        if (pendingBytes + piece.length > options.maxMessageBytes) {
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
