import type { Knex } from "knex";
import type { CreateUser, UpdateUser, User } from "../../contracts/api/users.js";
import { newId } from "../../core/ids.js";
import { type AppError, conflict, invalidFields } from "../../errors/app-error.js";
import { UserModel } from "../../models/user-model.js";
import { createRepository, type Page, type PageRequest } from "../../models/repository.js";
import type { AuditLog } from "../audit/audit-log.js";
import type { Passwords } from "../auth/passwords.js";
import type { Principals } from "../auth/principals.js";
import { revokeSessionsOf } from "../auth/sessions.js";
import type { Caller } from "../auth/sign-in.js";
import { isLastAdmin, lockAdmins } from "./last-admin.js";
import { presentUser } from "./present-user.js";

/** The people of an installation. Callers have been checked for `user:manage`. */
export interface Users {
  list(page: PageRequest): Promise<Page<User>>;
  /** @throws AppError NOT_FOUND */
  get(id: string): Promise<User>;
  /** @throws AppError CONFLICT when the address is taken */
  create(caller: Caller, input: CreateUser): Promise<User>;
  /**
   * A new password or a deactivation ends the person's sessions; a new role holds from the next request on. One's own
   * password is not changed here.
   * @throws AppError NOT_FOUND, REVISION_STALE, CONFLICT (address taken, last admin), INVALID_FIELDS
   */
  update(caller: Caller, id: string, patch: UpdateUser, revision: number | undefined): Promise<User>;
  /** With sessions and API keys. @throws AppError NOT_FOUND, CONFLICT for the last admin */
  delete(caller: Caller, id: string): Promise<void>;
}

const repository = createRepository<UserModel>(UserModel, "User");

/** Makes the service. */
export function createUsers(deps: {
  readonly knex: Knex;
  readonly audit: AuditLog;
  readonly passwords: Passwords;
  readonly principals: Principals;
}): Users {
  const { knex, audit, passwords, principals } = deps;
  return {
    async list(page) {
      const rows = await repository.listPage(knex, page);
      return { items: rows.items.map(presentUser), nextCursor: rows.nextCursor };
    },
    get: async (id) => presentUser(await repository.get(knex, id)),
    async create(caller, input) {
      const { password, ...fields } = input;
      const passwordHash = await passwords.hash(password);
      return await refusingTakenAddress(() =>
        knex.transaction(async (trx) => {
          const after = presentUser(await repository.insert(trx, { id: newId(), ...fields, passwordHash }));
          await audit.record(trx, { ...toEntry(caller, after.id), action: "user.create", after });
          return after;
        }),
      );
    },
    async update(caller, id, patch, revision) {
      const { password, ...fields } = patch;
      if (password !== undefined && caller.actor.userId === id) throw asksForCurrentPassword();
      const passwordHash = password === undefined ? undefined : await passwords.hash(password);
      const user = await refusingTakenAddress(() =>
        knex.transaction(async (trx) => {
          const admins = await lockAdmins(trx);
          const before = presentUser(await repository.get(trx, id));
          const stays = (patch.role ?? before.role) === "admin" && (patch.isActive ?? before.isActive);
          if (!stays) assertNotLastAdmin(admins, id);
          const changes = { ...fields, ...(passwordHash === undefined ? {} : { passwordHash }) };
          const after = presentUser(await repository.update(trx, id, changes, revision));
          const endsSessions = passwordHash !== undefined || patch.isActive === false;
          if (endsSessions)
            await revokeSessionsOf(trx, id, caller.actor.userId === id ? caller.sessionId : null);
          await audit.record(trx, {
            ...toEntry(caller, id),
            action: "user.update",
            before,
            after: { ...after, isPasswordChanged: passwordHash !== undefined },
          });
          return after;
        }),
      );
      principals.forget();
      return user;
    },
    async delete(caller, id) {
      await deleteUser({ knex, audit }, caller, id);
      principals.forget();
    },
  };
}

async function deleteUser(deps: { knex: Knex; audit: AuditLog }, caller: Caller, id: string): Promise<void> {
  await deps.knex.transaction(async (trx) => {
    assertNotLastAdmin(await lockAdmins(trx), id);
    const before = presentUser(await repository.get(trx, id));
    await repository.delete(trx, id);
    await deps.audit.record(trx, { ...toEntry(caller, id), action: "user.delete", before });
  });
}

/** A stolen session must not be enough to take an account over for good. */
function asksForCurrentPassword(): AppError {
  const message = "is your own: change it at POST /api/v1/auth/password, with the current one";
  return invalidFields([{ path: "/password", message }]);
}

function assertNotLastAdmin(adminIds: readonly string[], id: string): void {
  if (isLastAdmin(adminIds, id)) throw conflict("This is the last active admin; make another one first");
}

function toEntry(caller: Caller, id: string) {
  return { actor: caller.actor, origin: caller.origin, entityType: "user", entityId: id };
}

async function refusingTakenAddress<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const isTaken = error instanceof Error && "constraint" in error && error.constraint === "users_email_key";
    if (isTaken) throw conflict("The e-mail address is taken", [{ path: "/email", message: "is taken" }]);
    throw error;
  }
}
