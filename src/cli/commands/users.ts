import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import type { Knex } from "knex";
import { loadSettings } from "../../config/load-settings.js";
import { roleSchema } from "../../contracts/api/common.js";
import { createUserSchema, newPasswordSchema, type User } from "../../contracts/api/users.js";
import { systemActor } from "../../core/actor.js";
import { withDatabase } from "../../lifecycle/with-database.js";
import { openDatabase } from "../../models/database.js";
import { createAuditLog } from "../../services/audit/audit-log.js";
import { createPasswords } from "../../services/auth/passwords.js";
import { createPrincipals } from "../../services/auth/principals.js";
import { createUsers, type Users } from "../../services/users/users.js";
import { CliError, EXIT, type ExitCode, usageError } from "../cli-error.js";
import { formatTable, type Output } from "../output.js";
import type { CommandContext } from "../program.js";

/** Whoever may run this command on the database's machine is above roles; the audit log says that it was they. */
const CALLER = {
  actor: systemActor("headrace users"),
  sessionId: null,
  origin: { requestId: "headrace-users", address: null },
};

/** `headrace users list`. */
export async function listUsers({ output }: CommandContext): Promise<ExitCode> {
  return await withUsers(output, async (users) => {
    const everybody = await allUsers(users);
    const rows = everybody.map((user) => [
      user.email,
      user.name,
      user.role,
      user.isActive ? "active" : "deactivated",
      user.lastLoginAt ?? "never",
    ]);
    output.result(everybody, formatTable(["E-MAIL", "NAME", "ROLE", "STATE", "LAST SIGN-IN"], rows));
  });
}

/** `headrace users create`: without a password file, makes a password and prints it once. */
export async function createUser(
  email: string,
  options: { name?: string; role: string; passwordFile?: string },
  { output }: CommandContext,
): Promise<ExitCode> {
  const { password, isMade } = choosePassword(options.passwordFile);
  const parsed = createUserSchema.safeParse({
    email,
    name: options.name ?? email,
    role: options.role,
    password,
  });
  if (!parsed.success) {
    throw usageError(
      parsed.error.issues.map((issue) => `${issue.path.join(".")} ${issue.message}`).join("\n"),
    );
  }
  return await withUsers(output, async (users) => {
    const user = await users.create(CALLER, parsed.data);
    const shown = isMade ? `\nPassword: ${password}` : "";
    output.result(
      { ...user, ...(isMade ? { password } : {}) },
      `Created ${user.role} ${user.email}.${shown}`,
    );
  });
}

/** `headrace users set-password`: ends the person's sessions. */
export async function setPassword(
  email: string,
  options: { passwordFile?: string },
  { output }: CommandContext,
): Promise<ExitCode> {
  const { password, isMade } = choosePassword(options.passwordFile);
  const parsed = newPasswordSchema.safeParse(password);
  if (!parsed.success) throw usageError(`The password ${parsed.error.issues[0]?.message}`);
  return await withUsers(output, async (users) => {
    const user = await users.update(CALLER, await findId(users, email), { password }, undefined);
    const shown = isMade ? `\nPassword: ${password}` : "";
    output.result({ ...user, ...(isMade ? { password } : {}) }, `Password of ${user.email} set.${shown}`);
  });
}

/** `headrace users deactivate`: ends the person's sessions and keys; what they made stays. */
export async function deactivateUser(email: string, { output }: CommandContext): Promise<ExitCode> {
  return await withUsers(output, async (users) => {
    const user = await users.update(CALLER, await findId(users, email), { isActive: false }, undefined);
    output.result(user, `${user.email} is deactivated.`);
  });
}

/** `headrace users activate`: lets a deactivated person in again; what was ended stays ended. */
export async function activateUser(email: string, { output }: CommandContext): Promise<ExitCode> {
  return await withUsers(output, async (users) => {
    const user = await users.update(CALLER, await findId(users, email), { isActive: true }, undefined);
    output.result(user, `${user.email} is active.`);
  });
}

/** `headrace users set-role`: holds from the person's next request on. */
export async function setRole(email: string, role: string, { output }: CommandContext): Promise<ExitCode> {
  const parsed = roleSchema.safeParse(role);
  if (!parsed.success) throw usageError("The role is one of viewer, operator, editor, admin");
  return await withUsers(output, async (users) => {
    const user = await users.update(CALLER, await findId(users, email), { role: parsed.data }, undefined);
    output.result(user, `${user.email} is now ${user.role}.`);
  });
}

async function withUsers(output: Output, work: (users: Users) => Promise<void>): Promise<ExitCode> {
  const logger = { info: () => undefined, warn: (_: object, text: string) => output.warn(text) };
  await withDatabase(loadSettings(), logger, async (settings) => {
    const knex = openDatabase({ url: settings.DATABASE_URL, poolSize: 2, applicationName: "headrace-users" });
    try {
      await assertMigrated(knex);
      const audit = createAuditLog({ knex });
      await work(
        createUsers({ knex, audit, passwords: createPasswords(), principals: createPrincipals({ knex }) }),
      );
    } finally {
      await knex.destroy();
    }
  });
  return EXIT.ok;
}

async function assertMigrated(knex: Knex): Promise<void> {
  if (!(await knex.schema.hasTable("users"))) {
    throw new CliError("The database has no schema yet. Run headrace migrate first.");
  }
}

async function allUsers(users: Users): Promise<User[]> {
  const items: User[] = [];
  let cursor: string | undefined;
  do {
    const page = await users.list({ limit: 200, cursor });
    items.push(...page.items);
    cursor = page.nextCursor ?? undefined;
  } while (cursor !== undefined);
  return items;
}

async function findId(users: Users, email: string): Promise<string> {
  const found = (await allUsers(users)).find((user) => user.email.toLowerCase() === email.toLowerCase());
  if (!found) throw new CliError(`There is no user ${email}.`);
  return found.id;
}

function choosePassword(file: string | undefined): { password: string; isMade: boolean } {
  if (file === undefined) return { password: randomBytes(15).toString("base64url"), isMade: true };
  try {
    return { password: readFileSync(file === "-" ? 0 : file, "utf8").replace(/\r?\n$/, ""), isMade: false };
  } catch (error) {
    throw usageError(`--password-file cannot be read: ${(error as Error).message}`);
  }
}
