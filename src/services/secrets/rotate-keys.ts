import type { Knex } from "knex";
import { systemActor } from "../../core/actor.js";
import { AppError } from "../../errors/app-error.js";
import type { AuditLog } from "../audit/audit-log.js";
import type { Cipher } from "./cipher.js";
import { SEALED_COLUMNS, sealContext } from "./sealed-columns.js";

/** What a rotation did. */
export interface RotationReport {
  /** The id of the key that everything is encrypted with now. */
  readonly keyId: string;
  /** Values that were encrypted anew, by table. */
  readonly rotated: Readonly<Record<string, number>>;
  /** Values that no key at hand opens: where they are, and the id of the key that made them. */
  readonly unreadable: readonly { readonly table: string; readonly id: string; readonly keyId: string }[];
}

/** How many values are encrypted with which key. */
export interface KeyUse {
  readonly keyId: string;
  readonly table: string;
  readonly count: number;
}

/** The dependencies of a rotation. */
export interface RotationDeps {
  readonly knex: Knex;
  readonly cipher: Cipher;
  readonly audit: AuditLog;
}

type Place = (typeof SEALED_COLUMNS)[number];
interface SealedRow {
  readonly id: string;
  readonly keyId: string;
  readonly ciphertext: Buffer;
}

const BATCH = 100;
/** A process that still writes with the earlier key may add rows behind us. */
const MOST_PASSES = 3;
/** A row that is being changed is waited for so long. */
const LOCK_LIMIT = "10s";

/**
 * Encrypts everything anew that another key made, in small transactions: it may be cut off at any moment and taken up
 * again, and others read and write meanwhile. What no key opens is left as it is, and reported.
 */
export async function rotateKeys(deps: RotationDeps, signal?: AbortSignal): Promise<RotationReport> {
  const rotated: Record<string, number> = {};
  const unreadable = new Map<string, RotationReport["unreadable"][number]>();
  for (let pass = 0; pass < MOST_PASSES; pass += 1) {
    let count = 0;
    for (const place of SEALED_COLUMNS) {
      for await (const batch of rotatePlace(deps, place, signal)) {
        count += batch.rotated;
        if (batch.rotated > 0) rotated[place.table] = (rotated[place.table] ?? 0) + batch.rotated;
        for (const { id, keyId } of batch.unreadable)
          unreadable.set(`${place.table}/${id}`, { table: place.table, id, keyId });
      }
    }
    if (count === 0) break;
  }
  return { keyId: deps.cipher.keyId, rotated, unreadable: [...unreadable.values()] };
}

/** Which keys are in use: an installation is done with a key once nothing is left that it made. */
export async function listKeyUse(knex: Knex): Promise<KeyUse[]> {
  const uses: KeyUse[] = [];
  for (const { table, keyId } of SEALED_COLUMNS) {
    const rows = (await knex(table)
      .select({ keyId })
      .count({ count: "*" })
      .whereNotNull(keyId)
      .groupBy(keyId)
      .orderBy(keyId)) as { keyId: string; count: string | number }[];
    uses.push(...rows.map((row) => ({ keyId: row.keyId, table, count: Number(row.count) })));
  }
  return uses;
}

async function* rotatePlace(deps: RotationDeps, place: Place, signal: AbortSignal | undefined) {
  let after = "";
  for (;;) {
    signal?.throwIfAborted();
    const from = after;
    const batch = await deps.knex.transaction(async (trx) => {
      await trx.raw(`SET LOCAL lock_timeout = '${LOCK_LIMIT}'`);
      const rows = (await trx(place.table)
        .select({ id: place.id, keyId: place.keyId, ciphertext: place.ciphertext })
        .whereNot(place.keyId, deps.cipher.keyId)
        .whereRaw("??::text > ?", [place.id, from])
        .orderByRaw("??::text", [place.id])
        .limit(BATCH)
        .forUpdate()) as SealedRow[];
      return await rotateBatch(deps, trx, place, rows);
    });
    if (batch.last !== undefined) yield batch;
    if (batch.last === undefined) return;
    after = batch.last;
  }
}

async function rotateBatch(
  { cipher, audit }: RotationDeps,
  trx: Knex.Transaction,
  place: Place,
  rows: readonly SealedRow[],
) {
  const unreadable: SealedRow[] = [];
  let rotated = 0;
  for (const row of rows) {
    const plaintext = openOrNothing(cipher, row, sealContext(place.context, row.id));
    if (plaintext === undefined) {
      unreadable.push(row);
      continue;
    }
    const sealed = cipher.seal(plaintext, sealContext(place.context, row.id));
    // the value is the same: neither its revision nor its time of change is touched
    await trx(place.table)
      .where(place.id, row.id)
      .update({ [place.keyId]: sealed.keyId, [place.ciphertext]: sealed.ciphertext });
    rotated += 1;
  }
  if (rotated > 0) {
    await audit.record(trx, {
      actor: systemActor("headrace secrets"),
      origin: null,
      action: "secret.rotate",
      entityType: place.table,
      after: { count: rotated, keyId: cipher.keyId },
    });
  }
  return { rotated, unreadable, last: rows.at(-1)?.id };
}

function openOrNothing(cipher: Cipher, row: SealedRow, context: string): string | undefined {
  try {
    return cipher.unseal(row, context);
  } catch (error) {
    if (error instanceof AppError) return undefined;
    throw error;
  }
}
