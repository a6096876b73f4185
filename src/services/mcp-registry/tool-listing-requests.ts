import { setTimeout as sleep } from "node:timers/promises";
import type { Knex } from "knex";
import { newId } from "../../core/ids.js";
import { isJsonObject } from "../../core/json.js";
import type { RunError } from "../../core/statuses.js";
import type { ToolListing } from "../../core/tool-contract.js";
import { AppError } from "../../errors/app-error.js";
import { isUnstorableValue } from "../database-conflicts.js";
import type { PubSub } from "../../events/pub-sub.js";

/** A request that a worker has taken. */
export interface TakenListing {
  readonly id: string;
  readonly mcpVersionId: string;
  /** Milliseconds until nobody waits for it any more. */
  readonly remainingMs: number;
}

/** How a listing ended. */
export type ListingEnd = { readonly listing: ToolListing } | { readonly error: RunError };

interface Row {
  readonly status: "wanted" | "running" | "done" | "failed";
  readonly result: ToolListing | null;
  readonly error: RunError | null;
  readonly isExpired: boolean;
}

const POLL_MS = 150;
/** Hints may be lost, and workers may come up later. */
const HINT_EVERY_MS = 2_000;

/**
 * Asks the workers for the tools of a version, since the API has no sandbox: a row is the request and will be the
 * answer, and a hint makes workers look for it.
 * @throws AppError NOT_READY when no worker has taken it or answered in time, UPSTREAM_FAILED with what went wrong.
 */
export async function requestListing(
  deps: { readonly knex: Knex; readonly pubSub: PubSub },
  mcpVersionId: string,
  options: { readonly limitMs: number; readonly signal: AbortSignal },
): Promise<ToolListing> {
  const { knex, pubSub } = deps;
  const id = newId();
  await knex.raw("DELETE FROM mcp_tool_listings WHERE expires_at < now()");
  await knex.raw(
    `INSERT INTO mcp_tool_listings (id, mcp_version_id, expires_at)
     VALUES (?, ?, now() + make_interval(secs => ?))`,
    [id, mcpVersionId, options.limitMs / 1_000],
  );
  try {
    for (let hintedAt = 0; ; ) {
      if (Date.now() - hintedAt >= HINT_EVERY_MS) {
        hintedAt = Date.now();
        // the row counts: a hint that cannot be sent now is sent again
        await pubSub.publish("tool-listings", { type: "wanted" }).catch(() => undefined);
      }
      await sleep(POLL_MS, undefined, { signal: options.signal });
      const row = await readRequest(knex, id);
      if (row?.status === "done" && row.result) return row.result;
      if (row?.status === "failed" && row.error) throw toAppError(row.error);
      if (!row || row.isExpired) throw toTimeout(row);
    }
  } finally {
    await knex("mcp_tool_listings").where("id", id).delete();
  }
}

/** Takes the oldest request that nobody has taken, if there is one. */
export async function takeListing(knex: Knex): Promise<TakenListing | undefined> {
  const { rows } = (await knex.raw(
    `UPDATE mcp_tool_listings SET status = 'running'
     WHERE id = (SELECT id FROM mcp_tool_listings WHERE status = 'wanted' AND expires_at > now()
                 ORDER BY id FOR UPDATE SKIP LOCKED LIMIT 1)
     RETURNING id, mcp_version_id AS "mcpVersionId",
       (extract(epoch FROM expires_at - now()) * 1000)::int AS "remainingMs"`,
  )) as { rows: TakenListing[] };
  return rows[0];
}

/**
 * Answers a request that was taken; harmless when nobody waits any more. What cannot be stored is answered with that
 * as the fault: whoever waits would learn nothing else.
 */
export async function answerListing(knex: Knex, id: string, end: ListingEnd): Promise<void> {
  try {
    await storeAnswer(knex, id, end);
  } catch (error) {
    if (!isUnstorableValue(error)) throw error;
    const message = "The server sent a list of tools that cannot be stored";
    await storeAnswer(knex, id, { error: { code: "upstream_error", message } });
  }
}

async function storeAnswer(knex: Knex, id: string, end: ListingEnd): Promise<void> {
  const answer =
    "listing" in end
      ? { status: "done", result: JSON.stringify(end.listing) }
      : { status: "failed", error: JSON.stringify(end.error) };
  await knex("mcp_tool_listings").where({ id, status: "running" }).update(answer);
}

async function readRequest(knex: Knex, id: string): Promise<Row | undefined> {
  const { rows } = (await knex.raw(
    `SELECT status, result, error, expires_at <= now() AS "isExpired" FROM mcp_tool_listings WHERE id = ?`,
    [id],
  )) as { rows: Row[] };
  return rows[0];
}

function toTimeout(row: Row | undefined): AppError {
  return row?.status === "wanted"
    ? new AppError("NOT_READY", "No worker was free to start the server")
    : new AppError("NOT_READY", "The worker that started the server did not answer in time");
}

function toAppError({ code, message, details }: RunError): AppError {
  const stderr = readStderr(details);
  const faults = stderr === undefined ? [] : [{ path: "", message: stderr }];
  const detail = `${code}: ${message}`.slice(0, 2_000);
  if (code === "worker_lost" || code === "internal") return new AppError("NOT_READY", detail);
  return new AppError("UPSTREAM_FAILED", detail, { faults });
}

function readStderr(details: unknown): string | undefined {
  const stderr = isJsonObject(details) ? details["stderr"] : undefined;
  return typeof stderr === "string" ? stderr.slice(-2_000) : undefined;
}
