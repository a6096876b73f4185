import type { Knex } from "knex";
import type { RunLogLine } from "../../contracts/api/runs.js";
import type { LogLine } from "../../contracts/run-events.js";
import { invalidFields } from "../../errors/app-error.js";
import type { Page, PageRequest } from "../../models/repository.js";

/** What narrows a log. All given conditions must hold. */
export interface LogFilter {
  readonly stepId?: string | undefined;
  readonly attempt?: number | undefined;
  readonly stream?: LogLine["stream"] | undefined;
}

interface LogEventRow {
  readonly seq: number;
  readonly at: Date;
  readonly step_id: string | null;
  readonly item_index: number | null;
  readonly attempt: number | null;
  readonly data: { readonly lines?: readonly LogLine[] };
}

/** Where a page starts: a line within an event, counted before filters so that it holds for all of them. */
interface LogPosition {
  readonly seq: number;
  readonly line: number;
}

/** An event holds up to 64 KiB of lines, mostly many: few events make a page. */
const EVENTS_PER_READ = 20;

/** One page of a run's log, oldest line first. The cursor names a line, so a page may end inside an event. */
export async function listLogLines(
  knex: Knex,
  runId: string,
  filter: LogFilter,
  page: PageRequest,
): Promise<Page<RunLogLine>> {
  let next: LogPosition = parseLogCursor(page.cursor);
  const items: RunLogLine[] = [];
  for (;;) {
    const events = await readLogEvents(knex, runId, filter, next.seq);
    for (const event of events) {
      const lines = event.data.lines ?? [];
      for (let line = event.seq === next.seq ? next.line : 0; line < lines.length; line += 1) {
        const found = lines[line];
        if (!found || (filter.stream !== undefined && found.stream !== filter.stream)) continue;
        if (items.length === page.limit) return { items, nextCursor: toLogCursor({ seq: event.seq, line }) };
        items.push(presentLine(event, found));
      }
    }
    const last = events.at(-1);
    if (events.length < EVENTS_PER_READ || !last) return { items, nextCursor: null };
    next = { seq: last.seq + 1, line: 0 };
  }
}

async function readLogEvents(
  knex: Knex,
  runId: string,
  filter: LogFilter,
  fromSeq: number,
): Promise<LogEventRow[]> {
  const query = knex("run_events")
    .select("seq", "at", "step_id", "item_index", "attempt", "data")
    .where({ run_id: runId, type: "step.log" })
    .where("seq", ">=", fromSeq)
    .orderBy("seq")
    .limit(EVENTS_PER_READ);
  if (filter.stepId !== undefined) void query.where("step_id", filter.stepId);
  if (filter.attempt !== undefined) void query.where("attempt", filter.attempt);
  if (filter.stream !== undefined) {
    // events without any such line are passed over in the database, not here
    void query.whereRaw("data @> ?::jsonb", [JSON.stringify({ lines: [{ stream: filter.stream }] })]);
  }
  return (await query) as LogEventRow[];
}

function presentLine(event: LogEventRow, line: LogLine): RunLogLine {
  return {
    seq: event.seq,
    at: line.at,
    stepId: event.step_id ?? "",
    ...(event.item_index === null || event.item_index < 0 ? {} : { itemIndex: event.item_index }),
    attempt: event.attempt ?? 1,
    stream: line.stream,
    message: line.message,
  };
}

function toLogCursor(position: LogPosition): string {
  return Buffer.from(`${position.seq}.${position.line}`).toString("base64url");
}

function parseLogCursor(cursor: string | undefined): LogPosition {
  if (cursor === undefined) return { seq: 1, line: 0 };
  const text = Buffer.from(cursor, "base64url").toString("utf8");
  const match = /^([1-9]\d{0,14})\.(\d{1,9})$/.exec(text);
  if (!match || Buffer.from(text).toString("base64url") !== cursor) {
    throw invalidFields([{ path: "/cursor", message: "is not a cursor of this list" }]);
  }
  return { seq: Number(match[1]), line: Number(match[2]) };
}
