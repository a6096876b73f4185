import type { Knex } from "knex";
import type { ModelClass, PartialModelObject, QueryBuilder } from "objection";
import { isUuid } from "../core/ids.js";
import { AppError, invalidFields, notFound } from "../errors/app-error.js";
import type { BaseModel } from "./base-model.js";

/** One page of a list, newest first. */
export interface Page<Row> {
  readonly items: Row[];
  readonly nextCursor: string | null;
}

/** What part of a list is asked for. */
export interface PageRequest {
  readonly limit: number;
  readonly cursor?: string | undefined;
}

/** Either the pool or an open transaction. */
export type Db = Knex | Knex.Transaction;

interface RowWithId extends BaseModel {
  id: string;
}

type Revised<M> = M & { readonly revision?: number };

/** Reads a keyset cursor: the id of the last row of the page before. */
export function parseCursor(cursor: string | undefined): string | undefined {
  if (cursor === undefined) return undefined;
  const id = Buffer.from(cursor, "base64url").toString("utf8");
  if (!isUuid(id) || Buffer.from(id).toString("base64url") !== cursor) {
    throw invalidFields([{ path: "/cursor", message: "is not a cursor of this list" }]);
  }
  return id;
}

/** Writes a keyset cursor. */
export function toCursor(id: string): string {
  return Buffer.from(id).toString("base64url");
}

/**
 * The typed queries that every table with a UUIDv7 `id` needs. Reads take the pool or a transaction;
 * what one table needs beyond this stands in its own repository.
 */
export function createRepository<M extends RowWithId>(model: ModelClass<M>, what: string) {
  async function find(db: Db, id: string): Promise<M | undefined> {
    if (!isUuid(id)) return undefined;
    return (await model.query(db).where(`${model.tableName}.id`, id).first()) as M | undefined;
  }

  return {
    /** The row, or undefined (also for an id that is no UUID). */
    find,
    /** @throws AppError NOT_FOUND */
    async get(db: Db, id: string): Promise<M> {
      const row = await find(db, id);
      if (!row) throw notFound(what);
      return row;
    },
    /**
     * The row, locked until the transaction ends.
     * @throws AppError NOT_FOUND; REVISION_STALE when `revision` is given and is not the row's.
     */
    async lock(trx: Db, id: string, revision?: number): Promise<M> {
      const row = (await model.query(trx).where("id", id).forUpdate().first()) as Revised<M> | undefined;
      if (!row) throw notFound(what);
      if (revision !== undefined && row.revision !== revision) throw stale(what, revision);
      return row;
    },
    async insert(db: Db, row: PartialModelObject<M>): Promise<M> {
      return (await model.query(db).insertAndFetch(row)) as M;
    },
    /**
     * Changes a row that carries `revision`, and counts it up.
     * @throws AppError REVISION_STALE when `revision` is given and is not the row's.
     */
    async update(db: Db, id: string, patch: PartialModelObject<M>, revision?: number): Promise<M> {
      const query = model
        .query(db)
        .patch({
          ...patch,
          revision: model.raw("revision + 1"),
          updatedAt: model.raw("now()"),
        } as unknown as PartialModelObject<M>)
        .where("id", id);
      if (revision !== undefined) void query.where("revision", revision);
      const [row] = (await query.returning("*")) as unknown as M[];
      if (row) return row;
      throw (await find(db, id)) ? stale(what, revision) : notFound(what);
    },
    /** Whether a row was there to delete. */
    async delete(db: Db, id: string): Promise<boolean> {
      return (await model.query(db).delete().where("id", id)) > 0;
    },
    /** One page, newest first, of what `narrow` leaves. */
    async listPage(
      db: Db,
      page: PageRequest,
      narrow: (query: QueryBuilder<M, M[]>) => void = () => undefined,
    ): Promise<Page<M>> {
      const after = parseCursor(page.cursor);
      const query = model
        .query(db)
        .orderBy(`${model.tableName}.id`, "desc")
        .limit(page.limit + 1) as unknown as QueryBuilder<M, M[]>;
      narrow(query);
      if (after) void query.where(`${model.tableName}.id`, "<", after);
      const rows = (await query) as M[];
      const items = rows.slice(0, page.limit);
      const last = items.at(-1);
      return { items, nextCursor: rows.length > page.limit && last ? toCursor(last.id) : null };
    },
  };
}

function stale(what: string, revision: number | undefined): AppError {
  return new AppError("REVISION_STALE", `${what} has changed since revision ${revision}`);
}
