import { toApiError } from "./problem.js";
import { apiUrl } from "./request.js";
import { goToSignIn, refreshSession } from "./session.js";
import { createSseParser, type SseFrame } from "./sse-parser.js";

/** How a stream stands. */
export type StreamState = "connecting" | "live" | "waiting" | "ended" | "refused";

/** What to follow, and who is told. */
export interface FollowOptions {
  /** After `/api/v1`. */
  readonly path: string;
  /** Id of the last event that is known already. */
  readonly after?: string | undefined;
  onFrames(frames: readonly SseFrame[]): void;
  onState?(state: StreamState): void;
}

const FIRST_DELAY_MS = 500;
const LONGEST_DELAY_MS = 15_000;
/** The server sends a comment every 15 s: silence for longer means that the line is dead. */
const SILENCE_MS = 40_000;

/**
 * Follows a stream of events until it ends or `stop` is called. A lost line is taken up again after the last event
 * that came, at growing distances, so that nothing is lost and nothing comes twice.
 * @returns stop
 */
export function followEvents(options: FollowOptions): () => void {
  const controller = new AbortController();
  void follow(options, controller.signal);
  return () => controller.abort();
}

async function follow(options: FollowOptions, signal: AbortSignal): Promise<void> {
  const { onState = () => undefined } = options;
  const position = { after: options.after };
  let failures = 0;
  while (!signal.aborted) {
    onState(failures === 0 ? "connecting" : "waiting");
    const outcome = await connect(options, position, signal, () => {
      failures = 0;
      onState("live");
    });
    if (signal.aborted) return;
    if (outcome === "ended" || outcome === "refused") return onState(outcome);
    failures += 1;
    onState("waiting");
    await pause(backOff(failures), signal);
  }
}

/** Half of the delay is chance: after a restart of the server, clients do not come all at once. */
function backOff(failures: number): number {
  const delay = Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** (failures - 1));
  return delay / 2 + Math.random() * (delay / 2);
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await new Promise<void>((resolve) => {
    const timer = setTimeout(done, ms);
    function done() {
      clearTimeout(timer);
      removeEventListener("online", done);
      signal.removeEventListener("abort", done);
      resolve();
    }
    addEventListener("online", done);
    signal.addEventListener("abort", done);
  });
}

async function connect(
  options: FollowOptions,
  position: { after: string | undefined },
  signal: AbortSignal,
  onOpen: () => void,
): Promise<"lost" | "ended" | "refused"> {
  const line = new AbortController();
  const end = () => line.abort();
  signal.addEventListener("abort", end);
  let timer = setTimeout(end, SILENCE_MS);
  try {
    const response = await fetch(apiUrl(options.path, { after: position.after }), {
      headers: { Accept: "text/event-stream" },
      signal: line.signal,
    });
    if (response.status === 204) return "ended";
    if (response.status === 401) {
      if (await refreshSession()) return "lost";
      goToSignIn();
      return "refused";
    }
    if (!response.ok || !response.body) {
      const error = await toApiError(response);
      return error.status >= 400 && error.status < 500 && error.status !== 429 ? "refused" : "lost";
    }
    onOpen();
    return await read(response.body, options, position, () => {
      clearTimeout(timer);
      timer = setTimeout(end, SILENCE_MS);
    });
  } catch {
    return "lost";
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", end);
    line.abort();
  }
}

async function read(
  body: ReadableStream<Uint8Array>,
  { onFrames }: FollowOptions,
  position: { after: string | undefined },
  onLife: () => void,
): Promise<"lost" | "ended"> {
  let frames: SseFrame[] = [];
  let hasEnded = false;
  const parse = createSseParser((frame) => {
    if (frame.event === "end") hasEnded = true;
    else frames.push(frame);
  });
  const reader = body
    .pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>)
    .getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (value !== undefined) {
      onLife();
      parse(value);
      const last = frames.at(-1);
      if (last) {
        // remembered only once it has been handed over
        onFrames(frames);
        position.after = last.id ?? position.after;
        frames = [];
      }
    }
    if (hasEnded) return "ended";
    if (done) return "lost";
  }
}
