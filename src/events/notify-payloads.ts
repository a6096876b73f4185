import type { PubSubChannels } from "./pub-sub.js";

/** PostgreSQL refuses a NOTIFY payload of 8,000 bytes or more. */
const MOST_BYTES = 7900;

/**
 * A message as the payloads of one or more NOTIFYs. A long list of runs is cut into several messages.
 * @throws RangeError when a single part is too long, which no message of ours is.
 */
export function splitPayloads<C extends keyof PubSubChannels>(
  channel: C,
  message: PubSubChannels[C],
): string[] {
  const whole = JSON.stringify(message);
  if (Buffer.byteLength(whole) <= MOST_BYTES) return [whole];
  if (channel !== "run-events" || !("runs" in message) || message.runs.length < 2) {
    throw new RangeError(`A message on ${channel} is too long for NOTIFY`);
  }
  const middle = Math.ceil(message.runs.length / 2);
  const halves = [message.runs.slice(0, middle), message.runs.slice(middle)];
  return halves.flatMap((runs) => splitPayloads("run-events", { runs }));
}
