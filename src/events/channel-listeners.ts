import { z } from "zod";
import type { Logger } from "../observability/logger.js";
import type { PubSubChannels } from "./pub-sub.js";

type Channel = keyof PubSubChannels;
type Listener = (message: never) => void;

/** What may arrive. Unknown fields are dropped, so that neighbouring versions can talk. */
const messageSchemas = {
  "run-events": z.object({
    runs: z.array(z.object({ runId: z.string(), seq: z.number(), isRunEvent: z.boolean() })),
  }),
  "tool-listings": z.object({ type: z.literal("wanted") }),
  "mcp-messages": z.object({
    kind: z.enum(["answer", "cancel"]),
    key: z.string(),
    owner: z.string(),
    message: z.looseObject({}),
  }),
  control: z.discriminatedUnion("type", [
    z.object({ type: z.literal("stop-run"), runId: z.string(), below: z.number() }),
    z.object({ type: z.literal("stop-app"), appId: z.string() }),
  ]),
} satisfies { [C in Channel]: z.ZodType<PubSubChannels[C]> };

/** The subscribers of one process, by channel, behind whatever connection brings the messages. */
export function createChannelListeners(deps: { logger: Logger | undefined }) {
  const listeners = new Map<Channel, Set<Listener>>();
  const reconnectListeners: (() => void)[] = [];

  function callSafely(work: () => void): void {
    try {
      work();
    } catch (error) {
      // one subscriber's fault must not keep the message from the others
      deps.logger?.error({ err: error }, "a subscriber threw");
    }
  }

  return {
    /** The channels that have subscribers. */
    channels: (): Channel[] => [...listeners.keys()],

    /** Adds a subscriber. @returns what removes it, and then says whether it was its channel's last. */
    add<C extends Channel>(channel: C, listener: (message: PubSubChannels[C]) => void): () => boolean {
      // a wrapper of its own: the same function may subscribe twice
      const own: Listener = (message) => listener(message);
      const set = listeners.get(channel) ?? new Set();
      listeners.set(channel, set.add(own));
      return () => {
        if (!set.delete(own) || set.size > 0) return false;
        listeners.delete(channel);
        return true;
      };
    },

    /** Hands a message to every subscriber. One that is not of the channel's shape is dropped with a warning. */
    deliver(channel: Channel, payload: string): void {
      const message = parse(channel, payload);
      if (message === undefined) {
        deps.logger?.warn({ channel }, "a message that cannot be read was dropped");
        return;
      }
      for (const listener of [...(listeners.get(channel) ?? [])])
        callSafely(() => listener(message as never));
    },

    onReconnect(listener: () => void): void {
      reconnectListeners.push(listener);
    },
    announceReconnect(): void {
      for (const listener of reconnectListeners) callSafely(listener);
    },
  };
}

function parse(channel: Channel, payload: string): unknown {
  try {
    return messageSchemas[channel].safeParse(JSON.parse(payload)).data;
  } catch {
    return undefined;
  }
}
