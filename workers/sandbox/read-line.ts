import type { Readable } from "node:stream";

const LINE_FEED = 10;
const MAX_BYTES = 4_096;

/**
 * Takes the first line off a stream and leaves what follows it unread.
 * @throws Error when the stream ends, or 4 KiB have come, before there is one.
 */
export function readLine(stream: Readable): Promise<string> {
  return new Promise((resolve, reject) => {
    let seen = Buffer.alloc(0);
    const stop = (): void => {
      stream.pause();
      stream.off("data", onData).off("end", onEnd).off("close", onEnd).off("error", onEnd);
    };
    const onEnd = (): void => {
      stop();
      reject(new Error("ended before its first line"));
    };
    const onData = (chunk: Buffer): void => {
      seen = Buffer.concat([seen, chunk]);
      const at = seen.indexOf(LINE_FEED);
      if (at === -1 && seen.length <= MAX_BYTES) return;
      stop();
      if (at === -1) {
        reject(new Error("has no first line"));
        return;
      }
      if (at + 1 < seen.length) stream.unshift(seen.subarray(at + 1));
      resolve(seen.toString("utf8", 0, at));
    };
    stream.on("data", onData).once("end", onEnd).once("close", onEnd).once("error", onEnd);
    stream.resume();
  });
}
