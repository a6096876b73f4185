import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useMemo, useRef, useState, useSyncExternalStore } from "react";
import type { Run, RunGraph, StepRun } from "../../../../src/contracts/api/runs.js";
import type { RunEvent } from "../../../../src/contracts/run-events.js";
import { followEvents, type StreamState } from "../../api/follow-events.js";
import { queryKeys } from "../../api/query-keys.js";
import { apiRequest } from "../../api/request.js";
import type { Page } from "../../api/shapes.js";
import { isOver } from "../../format/status.js";
import { applyStepEvents } from "./apply-step-events.js";
import { createRunFeed, type RunFeed } from "./run-feed.js";

/** A run that goes on is read anew this often at most, beside what its events say at once. */
const REREAD_MS = 1500;

/** The run itself. */
export function useRun(id: string) {
  return useQuery({
    queryKey: queryKeys.run(id),
    queryFn: async ({ signal }) => await apiRequest<Run>(`/workflow-runs/${id}`, { signal }),
    refetchInterval: ({ state }) => (state.data && isOver(state.data.status) ? false : 15_000),
  });
}

/** Its steps, in the order of the definition, with all items. */
export function useRunSteps(id: string) {
  return useQuery({
    queryKey: queryKeys.runSteps(id),
    queryFn: async ({ signal }) =>
      (await apiRequest<Page<StepRun>>(`/workflow-runs/${id}/steps`, { signal })).items,
  });
}

/** What depends on what. The shape never changes: states come from the steps. */
export function useRunGraph(id: string) {
  return useQuery({
    queryKey: queryKeys.runGraph(id),
    queryFn: async ({ signal }) => await apiRequest<RunGraph>(`/workflow-runs/${id}/graph`, { signal }),
    staleTime: Number.POSITIVE_INFINITY,
  });
}

/**
 * Follows a run's events: moves its steps at once, reads it anew soon after, and keeps logs and progress.
 * @param isNeeded of a run that has ended, whether its events are wanted at all
 */
export function useRunFeed(
  id: string,
  isNeeded: boolean,
): { readonly feed: RunFeed; readonly state: StreamState } {
  const client = useQueryClient();
  const feed = useMemo(() => {
    // one feed for each run
    void id;
    return createRunFeed((act) => requestAnimationFrame(act));
  }, [id]);
  const [state, setState] = useState<StreamState>("connecting");
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  useEffect(() => {
    if (!isNeeded) return;
    const reread = () => {
      timer.current ??= setTimeout(() => {
        timer.current = undefined;
        void client.invalidateQueries({ queryKey: queryKeys.run(id) });
      }, REREAD_MS);
    };
    const stop = followEvents({
      path: `/workflow-runs/${id}/stream`,
      onState: setState,
      onFrames(frames) {
        const events = frames.map(({ data }) => JSON.parse(data) as RunEvent);
        feed.take(events);
        const moves = events.filter(({ type }) => !/^step\.(log|token|progress)$/.test(type));
        if (moves.length === 0) return;
        const before = client.getQueryData<readonly StepRun[]>(queryKeys.runSteps(id));
        const after = before && applyStepEvents(before, moves);
        if (after !== before) client.setQueryData(queryKeys.runSteps(id), after);
        const known = client.getQueryData<Run>(queryKeys.run(id));
        if (after !== before || !known || !isOver(known.status)) reread();
      },
    });
    return () => {
      stop();
      clearTimeout(timer.current);
      timer.current = undefined;
    };
  }, [client, feed, id, isNeeded]);
  return { feed, state };
}

/** Renders anew when the feed has grown. */
export function useFeedVersion(feed: RunFeed): number {
  return useSyncExternalStore(feed.subscribe, feed.version);
}
