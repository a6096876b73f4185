/** Lines that the sandbox has for an execution's log, kept until somebody listens. */
export interface Notices {
  add(line: string): void;
  listen(listener: (line: string) => void): void;
}

const MOST_LINES = 50;

/** Bounded: user code decides how much there is to say. */
export function createNotices(): Notices {
  const early: string[] = [];
  let count = 0;
  let tell = (line: string): void => void early.push(line);
  return {
    add(line) {
      count += 1;
      if (count <= MOST_LINES) tell(line);
    },
    listen(listener) {
      tell = listener;
      for (const line of early.splice(0)) listener(line);
    },
  };
}
