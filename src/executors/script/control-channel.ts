import { z } from "zod";
import { createMessageChannel, type MessageChannel } from "../message-channel.js";

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

/** What may come out of a channel. */
export interface ControlChannelOptions {
  /** A message may have this many bytes; its envelope is not counted. */
  readonly maxOutputBytes: number;
  onMessage(message: ControlMessage): void;
  /** Called once, when a message is longer; nothing is read after that. */
  onOverflow(): void;
}

const ENVELOPE_BYTES = 64 * 1024;

/** Reads what a harness says. */
export function createControlChannel(options: ControlChannelOptions): MessageChannel {
  return createMessageChannel({
    schema: messageSchema,
    maxMessageBytes: options.maxOutputBytes + ENVELOPE_BYTES,
    onMessage: (message) => options.onMessage(message),
    onOverflow: () => options.onOverflow(),
  });
}
