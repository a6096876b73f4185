/** Steps of one lane that wait in plain order: a newcomer of another lane waits for no more of them (ADR 25). */
export const LANE_WINDOW = 64;
/** Steps of one run that wait in plain order, and for which it counts in its lane. */
export const RUN_WINDOW = 16;
/** Steps of a lane, or of a run, that share a rank: lanes with backlogs take turns of this many. */
const STEPS_PER_RANK = 16;
/** The last rank: what would come after it shares it. */
export const LAST_RANK = 1023;
/** What a priority may be at most; at least, it is the negative of it. */
const HIGHEST_PRIORITY = 1000;

/**
 * Where a step belongs among those that wait: 0, in plain order, or a rank in the backlog, the lower the sooner.
 * @param laneDepth how many steps of its lane wait before those of its run.
 * @param indexInRun how many steps of its run were enqueued before it, in the same commit.
 */
export function rankInQueue(laneDepth: number, indexInRun: number): number {
  const position = laneDepth + Math.min(indexInRun, RUN_WINDOW - 1);
  const ofLane = Math.max(0, Math.floor((position - LANE_WINDOW) / STEPS_PER_RANK) + 1);
  const ofRun = Math.floor(indexInRun / STEPS_PER_RANK);
  return Math.min(ofLane + ofRun, LAST_RANK);
}

/** How a job is put on its queue: plain, at the head, or by a number, the smallest first, behind all plain ones. */
export type QueuePlace =
  | { readonly kind: "plain" | "head" }
  | { readonly kind: "numbered"; readonly number: number };

/**
 * The place of a step by its priority and its rank. Plain is the usual and costs nothing. Of the numbered ones each
 * priority has 1,024 numbers of its own; the largest is 2,049,024.
 */
export function placeInQueue(priority: number, rank: number): QueuePlace {
  if (rank === 0 && priority > 0) return { kind: "head" };
  if (rank === 0 && priority === 0) return { kind: "plain" };
  const level = Math.max(-HIGHEST_PRIORITY, Math.min(HIGHEST_PRIORITY, Math.floor(priority)));
  return { kind: "numbered", number: (HIGHEST_PRIORITY - level) * (LAST_RANK + 1) + rank + 1 };
}
