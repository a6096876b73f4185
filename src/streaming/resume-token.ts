import { isUuid } from "../core/ids.js";
import type { TimePosition } from "./event-frames.js";

const SEQ = /^(0|[1-9][0-9]{0,15})$/;
const AT = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}Z$/;

/** The position in one run's sequence that a client names, or undefined when it is none. */
export function parseSeq(text: string): number | undefined {
  if (!SEQ.test(text)) return undefined;
  const seq = Number(text);
  return Number.isSafeInteger(seq) ? seq : undefined;
}

/** The id of a frame in the stream of all runs: `<time with microseconds>_<run id>_<seq>`. Opaque to clients. */
export function toResumeToken(position: TimePosition): string {
  return `${position.at}_${position.runId}_${position.seq}`;
}

/** Reads what {@link toResumeToken} wrote; undefined for anything else. */
export function parseResumeToken(text: string): TimePosition | undefined {
  const [at, runId, seqText, ...rest] = text.split("_");
  if (at === undefined || runId === undefined || seqText === undefined || rest.length > 0) return undefined;
  const seq = parseSeq(seqText);
  if (seq === undefined || !isUuid(runId) || !isMoment(at)) return undefined;
  return { at, runId, seq };
}

/** Whether a text names a moment that exists: 30 February does not. */
function isMoment(at: string): boolean {
  if (!AT.test(at)) return false;
  const millis = Date.parse(at);
  return !Number.isNaN(millis) && new Date(millis).toISOString().slice(0, 19) === at.slice(0, 19);
}
