import type { Knex } from "knex";
import { isTerminalEvent, type RunEventType } from "../contracts/run-events.js";

/** One event, serialised once for all who follow its run. */
export interface EventFrame {
  readonly seq: number;
  readonly runId: string;
  readonly type: RunEventType;
  readonly at: Date;
  /** The `data` of the frame: the event as JSON. */
  readonly json: string;
  readonly isTerminal: boolean;
}

interface EventRow {
  readonly run_id: string;
  readonly seq: number;
  readonly type: RunEventType;
  readonly at: Date;
  readonly step_id: string | null;
  readonly item_index: number | null;
  readonly attempt: number | null;
  /** As text: parsing it only to write it again would be the dearest part of a delivery. */
  readonly data: string;
}

const COLUMNS = "run_id, seq, type, at, step_id, item_index, attempt, data::text AS data";

/** Events of one run after a position, in order, at most `limit`. One index range. */
export async function readRunFrames(
  knex: Knex,
  runId: string,
  after: number,
  limit: number,
): Promise<EventFrame[]> {
  const { rows } = await knex.raw<{ rows: EventRow[] }>(
    `SELECT ${COLUMNS} FROM run_events WHERE run_id = ? AND seq > ? ORDER BY seq LIMIT ?`,
    [runId, after, limit],
  );
  return rows.map(toFrame);
}

/** Where a read of all runs' `run.*` events starts: after this event in the order of `(at, runId, seq)`. */
export interface TimePosition {
  /** ISO 8601 with microseconds, as PostgreSQL keeps it: anything coarser would repeat or lose events. */
  readonly at: string;
  readonly runId: string;
  readonly seq: number;
}

/** A `run.*` event with its exact place in time. */
export interface TimedFrame {
  readonly frame: EventFrame;
  readonly position: TimePosition;
}

/** `run.*` events of all runs after a position in time, at most `limit`. Reads the index of run events. */
export async function readTimedFrames(knex: Knex, after: TimePosition, limit: number): Promise<TimedFrame[]> {
  const { rows } = await knex.raw<{ rows: (EventRow & { at_text: string })[] }>(
    `SELECT ${COLUMNS}, to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS at_text
     FROM run_events
     WHERE type LIKE 'run.%' AND at >= ?::timestamptz AND (at, run_id, seq) > (?::timestamptz, ?::uuid, ?::bigint)
     ORDER BY at, run_id, seq LIMIT ?`,
    [after.at, after.at, after.runId, after.seq, limit],
  );
  return rows.map((row) => ({
    frame: toFrame(row),
    position: { at: row.at_text, runId: row.run_id, seq: row.seq },
  }));
}

function toFrame(row: EventRow): EventFrame {
  const optional =
    (row.step_id === null ? "" : `,"stepId":${JSON.stringify(row.step_id)}`) +
    (row.item_index === null || row.item_index < 0 ? "" : `,"itemIndex":${row.item_index}`) +
    (row.attempt === null ? "" : `,"attempt":${row.attempt}`);
  return {
    seq: row.seq,
    runId: row.run_id,
    type: row.type,
    at: row.at,
    json: `{"seq":${row.seq},"runId":"${row.run_id}","type":"${row.type}","at":"${row.at.toISOString()}"${optional},"data":${row.data}}`,
    isTerminal: isTerminalEvent(row.type),
  };
}

/** The bytes of a frame: `id`, `event`, `data`. JSON text holds no line break, so one `data` line is enough. */
export function toSseText(id: string, frame: EventFrame): string {
  return `id: ${id}\nevent: ${frame.type}\ndata: ${frame.json}\n\n`;
}
