import type { Knex } from "knex";
import type {
  BackfillAnswer,
  BackfillBody,
  CreateSchedule,
  ListSchedules,
  Schedule,
  ScheduleSummary,
  UpdateSchedule,
} from "../../contracts/api/schedules.js";
import type { By } from "../../core/actor.js";
import { newId } from "../../core/ids.js";
import { conflict, invalidFields, notFound } from "../../errors/app-error.js";
import type { Db, Page } from "../../models/repository.js";
import type { ScheduleModel } from "../../models/schedule-model.js";
import type { AuditLog } from "../audit/audit-log.js";
import { orNameTaken } from "../name-taken.js";
import type { RunCommands } from "../runs/run-commands.js";
import { backfillSchedule } from "./backfill-schedule.js";
import { checkTarget, type ScheduleCheckDeps } from "./check-schedule.js";
import { presentSchedule, presentSchedules } from "./present-schedule.js";
import { firstDueAt, PAUSED, toTiming } from "./schedule-state.js";
import {
  countSchedules,
  getScheduleByNameOrId,
  listSchedules,
  readNow,
  schedules,
} from "./schedule-queries.js";

/** Schedules: what starts runs by the clock. Every change stands or falls with its audit entry. */
export interface Schedules {
  list(filter: ListSchedules): Promise<Page<ScheduleSummary>>;
  /** @throws AppError NOT_FOUND */
  get(nameOrId: string): Promise<Schedule>;
  /** @throws AppError INVALID_FIELDS; CONFLICT when the name is taken. */
  create(body: CreateSchedule, by: By): Promise<Schedule>;
  /**
   * A changed timing counts from now on. @throws AppError NOT_FOUND, INVALID_FIELDS, CONFLICT; REVISION_STALE when
   * `revision` is given and is not the stored one.
   */
  update(nameOrId: string, body: UpdateSchedule, revision: number | undefined, by: By): Promise<Schedule>;
  /** Its runs stay. @throws AppError NOT_FOUND */
  remove(nameOrId: string, by: By): Promise<void>;
  /** Nothing is due while it is paused, and a due time that waits is dropped. Idempotent. @throws AppError NOT_FOUND */
  pause(nameOrId: string, by: By): Promise<Schedule>;
  /** Due times since the pause are not made up for. Idempotent. @throws AppError NOT_FOUND */
  resume(nameOrId: string, by: By): Promise<Schedule>;
  /** Starts a run now, whatever else goes on. @throws AppError NOT_FOUND, CONFLICT, INVALID_FIELDS */
  trigger(nameOrId: string, by: By): Promise<{ readonly runId: string }>;
  /** Starts a run for each due time of a past span that has none. @throws AppError NOT_FOUND, INVALID_FIELDS, CONFLICT */
  backfill(nameOrId: string, span: BackfillBody, by: By): Promise<BackfillAnswer>;
  count(): Promise<number>;
}

/** The dependencies of the service. */
export interface SchedulesDeps extends ScheduleCheckDeps {
  readonly knex: Knex;
  readonly audit: AuditLog;
  readonly commands: Pick<RunCommands, "start">;
}

/** Makes the service over a database. */
export function createSchedules(deps: SchedulesDeps): Schedules {
  const { knex } = deps;
  return {
    async list(filter) {
      const page = await listSchedules(knex, filter);
      return { ...page, items: await presentSchedules(knex, page.items) };
    },
    get: async (nameOrId) => await presentSchedule(knex, await getScheduleByNameOrId(knex, nameOrId)),
    create: async (body, by) => await createSchedule(deps, body, by),
    update: async (nameOrId, body, revision, by) => await updateSchedule(deps, nameOrId, body, revision, by),
    remove: async (nameOrId, by) => await removeSchedule(deps, nameOrId, by),
    pause: async (nameOrId, by) => await setEnabled(deps, nameOrId, false, by),
    resume: async (nameOrId, by) => await setEnabled(deps, nameOrId, true, by),
    trigger: async (nameOrId, by) => await triggerSchedule(deps, nameOrId, by),
    async backfill(nameOrId, span, by) {
      const row = await getScheduleByNameOrId(knex, nameOrId);
      const answer = await backfillSchedule(deps, row, span);
      const { count, alreadyRun } = answer;
      const entry = entryOf("schedule.backfill", row.id, by);
      await deps.audit.record(knex, { ...entry, after: { ...span, count, alreadyRun } });
      return answer;
    },
    count: async () => await countSchedules(knex),
  };
}

async function createSchedule(deps: SchedulesDeps, body: CreateSchedule, by: By): Promise<Schedule> {
  const workflowId = await checkTarget(deps, body, by.actor);
  const { name, enabled, overlap, catchUp, input } = body;
  return await deps.knex.transaction(async (trx) => {
    const now = await readNow(trx);
    const timing = toTiming(body, now);
    const inserting = schedules.insert(trx, {
      id: newId(),
      name,
      workflowId,
      ...timing,
      input: JSON.stringify(input),
      enabled,
      overlap,
      catchUp,
      nextDueAt: enabled ? firstDueAt(timing, now) : null,
      createdBy: by.actor.userId,
    });
    const made = await presentSchedule(trx, await orNameTaken(inserting, "a schedule", name));
    await deps.audit.record(trx, { ...entryOf("schedule.create", made.id, by), after: stateOf(made) });
    return made;
  });
}

async function updateSchedule(
  deps: SchedulesDeps,
  nameOrId: string,
  body: UpdateSchedule,
  revision: number | undefined,
  by: By,
): Promise<Schedule> {
  const found = await getScheduleByNameOrId(deps.knex, nameOrId);
  assertTimingLeft(found, body);
  const workflow = body.workflow ?? found.workflowId;
  const isTargetChanged = body.workflow !== undefined || body.input !== undefined;
  const workflowId =
    isTargetChanged && workflow !== null
      ? await checkTarget(deps, { workflow, input: body.input ?? found.input }, by.actor)
      : undefined;
  return await changeSchedule(deps, found.id, "schedule.update", by, revision, async (before, trx) => {
    const { name, input, overlap, catchUp } = body;
    const enabled = body.enabled ?? before.enabled;
    return {
      ...(name === undefined ? {} : { name }),
      ...(workflowId === undefined ? {} : { workflowId }),
      ...(input === undefined ? {} : { input: JSON.stringify(input) }),
      ...(overlap === undefined ? {} : { overlap }),
      ...(catchUp === undefined ? {} : { catchUp }),
      ...toClockChange(before, body, { enabled, workflowId }, await readNow(trx)),
    };
  });
}

/** Null takes a timing away: then the other one has to be given. */
function assertTimingLeft(found: ScheduleModel, { cron, everySeconds }: UpdateSchedule): void {
  if (cron === null && found.cron !== null && everySeconds == null) {
    throw invalidFields([{ path: "/cron", message: "may only be taken away for everySeconds" }]);
  }
  if (everySeconds === null && found.everySeconds !== null && cron == null) {
    throw invalidFields([{ path: "/everySeconds", message: "may only be taken away for cron" }]);
  }
}

/** What a change of timing, of `enabled` or of a lost workflow means for when it is due: it counts from now on. */
function toClockChange(
  before: ScheduleModel,
  body: UpdateSchedule,
  to: { enabled: boolean; workflowId: string | null | undefined },
  now: Date,
) {
  const timing = toTiming(body, now, before);
  const isRetimed =
    timing.cron !== before.cron ||
    timing.everySeconds !== before.everySeconds ||
    timing.timezone !== before.timezone;
  if (!to.enabled) return { ...(isRetimed ? timing : {}), ...(before.enabled ? PAUSED : {}) };
  const isRevived = !before.enabled || (before.workflowId === null && to.workflowId !== undefined);
  if (!isRetimed && !isRevived) return {};
  return {
    ...timing,
    enabled: true,
    nextDueAt: firstDueAt(timing, now),
    leaseToken: null,
    leaseUntil: null,
  };
}

async function setEnabled(
  deps: SchedulesDeps,
  nameOrId: string,
  enabled: boolean,
  by: By,
): Promise<Schedule> {
  const found = await getScheduleByNameOrId(deps.knex, nameOrId);
  const action = enabled ? "schedule.resume" : "schedule.pause";
  return await changeSchedule(deps, found.id, action, by, undefined, async (before, trx) => {
    if (before.enabled === enabled) return undefined;
    return toClockChange(before, {}, { enabled, workflowId: undefined }, await readNow(trx));
  });
}

/** Changes a schedule under its lock, with its audit entry; `decide` answers undefined when all is as it should be. */
async function changeSchedule(
  deps: SchedulesDeps,
  id: string,
  action: string,
  by: By,
  revision: number | undefined,
  decide: (before: ScheduleModel, trx: Db) => Promise<object | undefined>,
): Promise<Schedule> {
  return await deps.knex.transaction(async (trx) => {
    const before = await schedules.lock(trx, id, revision);
    const was = await presentSchedule(trx, before);
    const patch = await decide(before, trx);
    if (!patch) return was;
    const name = (patch as { name?: string }).name ?? before.name;
    const is = await presentSchedule(
      trx,
      await orNameTaken(schedules.update(trx, id, patch), "a schedule", name),
    );
    await deps.audit.record(trx, { ...entryOf(action, id, by), before: stateOf(was), after: stateOf(is) });
    return is;
  });
}

async function removeSchedule(deps: SchedulesDeps, nameOrId: string, by: By): Promise<void> {
  const row = await getScheduleByNameOrId(deps.knex, nameOrId);
  const before = stateOf(await presentSchedule(deps.knex, row));
  await deps.knex.transaction(async (trx) => {
    if (!(await schedules.delete(trx, row.id))) throw notFound("Schedule");
    await deps.audit.record(trx, { ...entryOf("schedule.delete", row.id, by), before });
  });
}

/** A run that somebody asks for is none of the due times: it has the moment that it was asked for. */
async function triggerSchedule(deps: SchedulesDeps, nameOrId: string, by: By) {
  const { id, workflowId, input } = await getScheduleByNameOrId(deps.knex, nameOrId);
  if (workflowId === null) throw conflict("The workflow of this schedule was deleted");
  const schedule = { id, dueAt: await readNow(deps.knex) };
  const command = { workflow: workflowId, input, trigger: "manual" as const, schedule };
  const { runId } = await deps.commands.start(command, by.actor, by.origin);
  await deps.knex("schedules").where({ id }).update({ last_run_id: runId, last_run_at: schedule.dueAt });
  await deps.audit.record(deps.knex, { ...entryOf("schedule.trigger", id, by), after: { runId } });
  return { runId };
}

function stateOf(schedule: Schedule) {
  const { nextRuns: _nextRuns, createdAt: _createdAt, updatedAt: _updatedAt, ...state } = schedule;
  return state;
}

function entryOf(action: string, entityId: string, { actor, origin }: By) {
  return { actor, origin, action, entityType: "schedule", entityId };
}
