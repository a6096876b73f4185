/** The one queue of the raw contender: root and child jobs alike, so that one worker takes them all. */
export const RAW_QUEUE = "raw";

/** Where the raw worker says which runs have ended. */
export function rawEndedChannel(prefix: string): string {
  return `${prefix}-ended`;
}

/** A raw job carries what a step's job must carry at the least: whose it is, and whether it is the last. */
export interface RawJob {
  readonly runId: string;
  readonly isRoot: boolean;
}
