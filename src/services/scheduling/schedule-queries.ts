import type { Knex } from "knex";
import type { ListSchedules } from "../../contracts/api/schedules.js";
import { isUuid } from "../../core/ids.js";
import { notFound } from "../../errors/app-error.js";
import { createRepository, type Db, type Page } from "../../models/repository.js";
import { ScheduleModel } from "../../models/schedule-model.js";
import { ofWorkflow } from "../of-workflow.js";

/** Rows of `schedules`. */
export const schedules = createRepository<ScheduleModel>(ScheduleModel, "Schedule");

/** The schedule. @throws AppError NOT_FOUND */
export async function getScheduleByNameOrId(db: Db, nameOrId: string): Promise<ScheduleModel> {
  if (isUuid(nameOrId)) return await schedules.get(db, nameOrId);
  const row = await ScheduleModel.query(db).where("name", nameOrId).first();
  if (!row) throw notFound("Schedule");
  return row;
}

/** One page, newest first; none for an unknown workflow. */
export async function listSchedules(db: Db, filter: ListSchedules): Promise<Page<ScheduleModel>> {
  const { limit, cursor, workflow } = filter;
  return await schedules.listPage(db, { limit, cursor }, (query) => ofWorkflow(query, workflow));
}

/** The database's time: no due time is worked out by another clock. */
export async function readNow(db: Db): Promise<Date> {
  const { rows } = await db.raw<{ rows: [{ now: Date }] }>("SELECT clock_timestamp() AS now");
  return rows[0].now;
}

/** How many schedules there are. */
export async function countSchedules(knex: Knex): Promise<number> {
  const [row] = await knex("schedules").count({ count: "*" });
  return Number(row?.["count"] ?? 0);
}
