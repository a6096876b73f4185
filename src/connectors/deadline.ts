import { ConnectorError } from "./types.js";

/** Seconds within which a connection must be there. */
export const CONNECT_SECONDS = 10;

/**
 * Waits for work that may hang: at the limit, or when the signal says so, `stop` is called and the wait ends.
 * @throws ConnectorError `timeout`; whatever the work throws.
 */
export async function withDeadline<T>(
  { seconds, signal, stop }: { seconds: number; signal: AbortSignal; stop: () => void },
  work: Promise<T>,
): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  let onAbort: () => void = () => undefined;
  const ended = new Promise<never>((_resolve, reject) => {
    const end = (why: string) => {
      stop();
      reject(new ConnectorError("timeout", why));
    };
    timer = setTimeout(() => end(`It took longer than ${seconds} s and was ended`), seconds * 1_000);
    onAbort = () => end("It was ended before it was done");
    if (signal.aborted) onAbort();
    else signal.addEventListener("abort", onAbort, { once: true });
  });
  try {
    return await Promise.race([work, ended]);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", onAbort);
    work.catch(() => undefined); // it fails once it is stopped
  }
}
