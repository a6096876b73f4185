import { createContext, type ReactNode, useContext, useEffect, useMemo, useRef, useState } from "react";
import type { RunEvent } from "../../../src/contracts/run-events.js";
import { followEvents, type StreamState } from "../api/follow-events.js";

/** Told of `run.*` events of all runs. */
type Listener = (events: readonly RunEvent[]) => void;

interface LiveRuns {
  readonly state: StreamState;
  listen(listener: Listener): () => void;
}

const Context = createContext<LiveRuns>({ state: "connecting", listen: () => () => undefined });

/** Follows all runs, once for the whole console. */
export function LiveRunsProvider({ children }: { readonly children: ReactNode }) {
  const [state, setState] = useState<StreamState>("connecting");
  const listeners = useRef(new Set<Listener>());
  useEffect(
    () =>
      followEvents({
        path: "/stream",
        onState: setState,
        onFrames(frames) {
          const events = frames.map(({ data }) => JSON.parse(data) as RunEvent);
          for (const listener of listeners.current) listener(events);
        },
      }),
    [],
  );
  const value = useMemo<LiveRuns>(
    () => ({
      state,
      listen(listener) {
        listeners.current.add(listener);
        return () => listeners.current.delete(listener);
      },
    }),
    [state],
  );
  return <Context value={value}>{children}</Context>;
}

/** How the line to the server stands. */
export function useLiveState(): StreamState {
  return useContext(Context).state;
}

/**
 * Calls `act` when runs have moved, at most once in `everyMs` however many do, and once more after the last of them.
 */
export function useRunMoves(act: () => void, everyMs = 1000): void {
  const { listen, state } = useContext(Context);
  const current = useRef(act);
  useEffect(() => {
    current.current = act;
  });
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const stop = listen(() => {
      timer ??= setTimeout(() => {
        timer = undefined;
        current.current();
      }, everyMs);
    });
    return () => {
      stop();
      clearTimeout(timer);
    };
  }, [listen, everyMs]);
  const wasLost = useRef(false);
  useEffect(() => {
    // what happened while the line was down is read once it is up
    if (state === "waiting") wasLost.current = true;
    if (state === "live" && wasLost.current) {
      wasLost.current = false;
      current.current();
    }
  }, [state]);
}
