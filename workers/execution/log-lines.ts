import type { LogLine } from "../../src/contracts/run-events.js";
import type { JsonObject } from "../../src/core/json.js";
import type { LogStream } from "../../src/executors/types.js";

/** In no line: PostgreSQL's jsonb refuses NUL, so what is logged is freed of it before. */
const BETWEEN = "\0";

/** Lines of one stream in one millisecond. */
interface Group {
  readonly at: number;
  readonly stream: LogStream;
  readonly text: string;
}

/**
 * Lines that wait to become an event. A million short lines wait as a few strings: as an object and two strings each they
 * take ten times their text, and by the time they are stored they are old enough for the garbage collector to leave them.
 */
export function createLogLines() {
  let groups: Group[] = [];
  let open: string[] = [];
  let at = 0;
  let stream: LogStream = "system";

  function closeGroup(): void {
    if (open.length > 0) groups.push({ at, stream, text: open.join(BETWEEN) });
    open = [];
  }

  return {
    get isEmpty(): boolean {
      return groups.length === 0 && open.length === 0;
    },
    /** Adds a line, without NUL. */
    add(to: LogStream, message: string): void {
      const now = Date.now();
      if (now !== at || to !== stream) closeGroup();
      at = now;
      stream = to;
      open.push(message);
    },
    /** The data of an event with all of them, which are forgotten here. They are made anew each time that it is read. */
    take(): JsonObject {
      closeGroup();
      const taken = groups;
      groups = [];
      return {
        get lines() {
          return taken.flatMap(toLines);
        },
      };
    },
  };
}

function toLines({ at, stream, text }: Group): (LogLine & JsonObject)[] {
  const time = new Date(at).toISOString();
  return text.split(BETWEEN).map((message) => ({ at: time, stream, message }));
}
