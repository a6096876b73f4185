import type { Knex } from "knex";
import type { Entity, EntityListQuery, EntityType } from "../../contracts/api/entities.js";
import type { Actor } from "../../core/actor.js";
import { firstIdAt } from "../../core/ids.js";
import { type FieldFault, invalidFields, notFound } from "../../errors/app-error.js";
import { type Page, parseCursor, toCursor } from "../../models/repository.js";
import { assertCan } from "../access/assert-can.js";
import { ENTITY_KINDS, type EntityKind, type EntityRow } from "./entity-kinds.js";

/** Things of every type in one shape: for pages that show whatever an id in the audit log or a graph stands for. */
export interface Entities {
  /**
   * @throws AppError FORBIDDEN for an actor who may not read this type; NOT_FOUND, also for an id that is one of another
   * type.
   */
  get(type: EntityType, id: string, actor: Actor): Promise<Entity>;
  /**
   * One page, newest first. @throws AppError INVALID_FIELDS for a filter that the type does not have; FORBIDDEN as
   * above, and for users, whom only admins may list; NOT_FOUND for the steps of an unknown run.
   */
  list(type: EntityType, query: EntityListQuery, actor: Actor): Promise<Page<Entity>>;
}

/** Makes the reader over a database. */
export function createEntities({ knex }: { readonly knex: Knex }): Entities {
  return {
    async get(type, id, actor) {
      const kind = ENTITY_KINDS[type];
      assertCan(actor, kind.permission);
      const { rows } = await knex.raw<{ rows: EntityRow[] }>(
        `SELECT ${kind.columns} FROM ${kind.from} WHERE entity.id = ?`,
        [id],
      );
      const [row] = rows;
      if (!row) throw notFound("Entity");
      return present(type, row, actor);
    },
    async list(type, query, actor) {
      const kind = ENTITY_KINDS[type];
      assertCan(actor, type === "user" ? "user:manage" : kind.permission);
      assertApplicable(type, kind, query);
      if (query.runId !== undefined && !(await knex("workflow_runs").first("id").where("id", query.runId))) {
        throw notFound("Run");
      }
      const { conditions, values } = narrow(kind, query);
      const { rows } = await knex.raw<{ rows: EntityRow[] }>(
        `SELECT ${kind.columns} FROM ${kind.from} WHERE ${conditions.join(" AND ")} ORDER BY entity.id DESC LIMIT :limit`,
        { ...values, limit: query.limit + 1 },
      );
      const items = rows.slice(0, query.limit);
      const last = items.at(-1);
      return {
        items: items.map((row) => present(type, row, actor)),
        nextCursor: rows.length > query.limit && last ? toCursor(last.id) : null,
      };
    },
  };
}

/** A filter that no index serves would read a history of any length: it is refused. */
function assertApplicable(type: EntityType, kind: EntityKind, query: EntityListQuery): void {
  const faults: FieldFault[] = [];
  const refuse = (path: string) => faults.push({ path, message: `is no filter of ${type}` });
  if (query.q !== undefined && !kind.nameColumn) refuse("/q");
  if (query.createdBy !== undefined && !kind.creatorColumn) refuse("/createdBy");
  if (query.runId !== undefined && type !== "step_run") refuse("/runId");
  if (query.runId === undefined && type === "step_run") {
    faults.push({ path: "/runId", message: "is needed: steps are listed run by run" });
  }
  if (faults.length > 0) throw invalidFields(faults);
}

/** Ids begin with the moment of their making, so moments bound ids. */
function narrow(kind: EntityKind, query: EntityListQuery) {
  const conditions = ["true"];
  const values: Record<string, string> = {};
  const add = (condition: string, name: string, value: string | undefined) => {
    if (value === undefined) return;
    conditions.push(condition);
    values[name] = value;
  };
  add("entity.id < :after", "after", parseCursor(query.cursor));
  add("entity.run_id = :runId", "runId", query.runId);
  add(`${kind.creatorColumn ?? ""} = :createdBy`, "createdBy", query.createdBy);
  const pattern = query.q?.replaceAll(/[\\%_]/g, (sign) => `\\${sign}`);
  add(`${kind.nameColumn ?? ""} ILIKE :pattern`, "pattern", pattern && `%${pattern}%`);
  add("entity.id >= :first", "first", toId(query.createdAfter, 1));
  add("entity.id < :last", "last", toId(query.createdBefore, 0));
  return { conditions, values };
}

function toId(instant: string | undefined, moreMs: number): string | undefined {
  return instant === undefined ? undefined : firstIdAt(new Date(new Date(instant).getTime() + moreMs));
}

function present(type: EntityType, row: EntityRow, actor: Actor): Entity {
  const kind = ENTITY_KINDS[type];
  return {
    entityType: type,
    id: row.id,
    name: row.name,
    createdAt: row.created_at.toISOString(),
    updatedAt: row.updated_at.toISOString(),
    createdBy: row.created_by,
    links: kind.links(row),
    details: kind.details(row, actor),
  };
}
