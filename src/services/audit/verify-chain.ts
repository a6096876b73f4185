import { createHash } from "node:crypto";
import type { Knex } from "knex";
import { toCanonicalJson } from "../../core/canonical-json.js";
import { ActionLogModel } from "../../models/action-log-model.js";
import type { CheckpointSigner, SignedCheckpoint } from "./checkpoint-signer.js";

/** An entry's number and hash, in hexadecimal, as somebody has kept them outside of the database. */
export interface ChainAnchor {
  readonly seq: number;
  readonly hash: string;
}

/** What the check of the chain found. Keep `head` elsewhere: only that surely shows a chain cut off at its end. */
export interface ChainVerdict {
  readonly valid: boolean;
  /** Entries that were looked at and are good. */
  readonly checkedCount: number;
  /** The first entry that is missing, changed, not linked to the one before it, or not what a checkpoint says. */
  readonly firstBadSeq: number | null;
  readonly reason: string | null;
  readonly head: ChainAnchor | null;
  /** The last entry that retention removed: the chain begins after it. */
  readonly prunedThrough: number | null;
  /** Signed checkpoints that the chain was compared with, and those whose key is not at hand any more. */
  readonly checkpoints: { readonly checked: number; readonly unknownKey: number };
}

interface Fault {
  readonly seq: number;
  readonly reason: string;
}

interface Walk {
  readonly head: ChainAnchor | null;
  readonly checkedCount: number;
  readonly fault?: Fault;
}

const PAGE = 1000;
const NO_HASH = Buffer.alloc(32);

/** Recomputes every hash, and stops at the first that does not fit. All of it sees the log as it was at one moment. */
export async function verifyChain(
  { knex, signer }: { readonly knex: Knex; readonly signer?: CheckpointSigner | undefined },
  signal: AbortSignal,
  anchor?: ChainAnchor,
): Promise<ChainVerdict> {
  return await inOneMoment(knex, async (trx) => {
    const checkpoints = await readCheckpoints(trx);
    const pruned = findPruned(checkpoints, signer);
    const expected = new Map(checkpoints.map(({ seq, hash }) => [seq, hash.toString("hex")]));
    if (anchor) expected.set(anchor.seq, anchor.hash.toLowerCase());
    const forged = checkpoints.find((each) => signer?.judge(each) === "bad");
    // whoever can write to the database can write a checkpoint, too, and remove all before it
    const unproven = signer && pruned && signer.judge(pruned) === "unknown" ? pruned : undefined;
    const clash = checkpoints.find(({ seq, hash }) => expected.get(seq) !== hash.toString("hex"));
    const walked = await walk(trx, { after: pruned, expected, signal });
    const fault =
      walked.fault ??
      (forged && { seq: forged.seq, reason: "its checkpoint was not made by this installation" }) ??
      (unproven && { seq: unproven.seq, reason: "entries were removed by a checkpoint of an unknown key" }) ??
      (clash && { seq: clash.seq, reason: "entry is not the one that the anchor names" }) ??
      findCutTail(walked.head?.seq ?? pruned?.seq ?? 0, expected);
    return {
      valid: !fault,
      checkedCount: walked.checkedCount,
      firstBadSeq: fault?.seq ?? null,
      reason: fault?.reason ?? null,
      head: walked.head,
      prunedThrough: pruned?.seq ?? null,
      checkpoints: {
        checked: checkpoints.length,
        unknownKey: checkpoints.filter((each) => signer?.judge(each) === "unknown").length,
      },
    };
  });
}

/** The checkpoint that stands for what was removed: of several for the same entry, one whose signature is good. */
function findPruned(
  checkpoints: readonly SignedCheckpoint[],
  signer: CheckpointSigner | undefined,
): SignedCheckpoint | undefined {
  const prunes = checkpoints.filter(({ kind }) => kind === "prune");
  const last = Math.max(...prunes.map(({ seq }) => seq));
  const newest = prunes.filter(({ seq }) => seq === last);
  return newest.find((each) => signer?.judge(each) === "good") ?? newest.at(-1);
}

/** One snapshot for all pages: entries that are appended or removed meanwhile must not look like faults. */
async function inOneMoment<T>(knex: Knex, work: (trx: Knex) => Promise<T>): Promise<T> {
  if (knex.isTransaction) return await work(knex);
  return await knex.transaction(work, { isolationLevel: "repeatable read", readOnly: true });
}

async function readCheckpoints(knex: Knex): Promise<SignedCheckpoint[]> {
  const rows = await knex("audit_checkpoints")
    .select("kind", "seq", "hash", "at", { keyId: "key_id" }, "signature")
    .orderBy("seq");
  return rows.map((row) => ({ ...row, seq: Number(row.seq) })) as SignedCheckpoint[];
}

async function walk(
  knex: Knex,
  options: {
    readonly after: SignedCheckpoint | undefined;
    readonly expected: ReadonlyMap<number, string>;
    readonly signal: AbortSignal;
  },
): Promise<Walk> {
  const { after, expected, signal } = options;
  let seq = after?.seq ?? 0;
  let hash: Buffer = after?.hash ?? NO_HASH;
  let checkedCount = 0;
  for (;;) {
    signal.throwIfAborted();
    const rows = await ActionLogModel.query(knex).where("seq", ">", seq).orderBy("seq").limit(PAGE);
    for (const row of rows) {
      const reason = findFault(row, seq + 1, hash, expected);
      const head = toHead(seq, hash, checkedCount);
      if (reason) return { head, checkedCount, fault: { seq: Math.min(row.seq, seq + 1), reason } };
      seq = row.seq;
      hash = row.hash;
      checkedCount += 1;
    }
    if (rows.length < PAGE) return { head: toHead(seq, hash, checkedCount), checkedCount };
  }
}

function toHead(seq: number, hash: Buffer, checkedCount: number): ChainAnchor | null {
  return checkedCount === 0 ? null : { seq, hash: hash.toString("hex") };
}

function findFault(
  row: ActionLogModel,
  expectedSeq: number,
  previousHash: Buffer,
  expected: ReadonlyMap<number, string>,
): string | null {
  if (row.seq !== expectedSeq) return "entry is missing";
  if (!row.previousHash.equals(previousHash)) return "entry is not linked to the one before it";
  if (!row.hash.equals(hashEntry(row))) return "entry was changed";
  const wanted = expected.get(row.seq);
  if (wanted !== undefined && wanted !== row.hash.toString("hex"))
    return "entry is not the one that a checkpoint names";
  return null;
}

/** A checkpoint or an anchor beyond the last entry: there was more. */
function findCutTail(lastSeq: number, expected: ReadonlyMap<number, string>): Fault | undefined {
  const beyond = [...expected.keys()].some((seq) => seq > lastSeq);
  return beyond ? { seq: lastSeq + 1, reason: "entries were removed at the end" } : undefined;
}

/** The same text that the appending statement hashes. */
function hashEntry(row: ActionLogModel): Buffer {
  const content = toCanonicalJson({
    id: row.id,
    actorType: row.actorType,
    actorId: row.actorId,
    actorName: row.actorName,
    action: row.action,
    outcome: row.outcome,
    entityType: row.entityType,
    entityId: row.entityId,
    requestId: row.requestId,
    address: row.address,
    before: row.before,
    after: row.after,
  });
  return createHash("sha256")
    .update(row.previousHash)
    .update(`${row.seq}\n${row.at.toISOString()}\n${content}`)
    .digest();
}
