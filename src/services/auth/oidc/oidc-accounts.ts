import type { Knex } from "knex";
import { emailSchema } from "../../../contracts/api/users.js";
import { type RequestOrigin, systemActor } from "../../../core/actor.js";
import { newId } from "../../../core/ids.js";
import type { Role } from "../../../core/permissions.js";
import { UserIdentityModel } from "../../../models/user-identity-model.js";
import { UserModel } from "../../../models/user-model.js";
import type { AuditLog } from "../../audit/audit-log.js";
import { presentUser } from "../../users/present-user.js";
import { isLastAdmin, lockAdmins } from "../../users/last-admin.js";
import { mapRole } from "./map-role.js";
import { OidcError } from "./oidc-fault.js";
import type { OidcClaims, OidcSettings } from "./oidc-provider-client.js";

interface AccountDeps {
  readonly audit: AuditLog;
  readonly settings: OidcSettings;
}

/** Sign-ins of one person for the first time from two browsers at once make one account. */
const FIRST_SIGN_IN_LOCK = 7238120022;

/**
 * The account of a person whom the provider vouches for. They are known by issuer and subject, which no provider
 * gives to anybody else. Somebody new gets the account with their e-mail address, else one of their own – only if the
 * provider says that it has verified the address, and only if that account is nobody else's at this provider.
 * @throws OidcError `unverified`, `taken`, `no-access`
 */
export async function findOrMakeAccount(
  deps: AccountDeps,
  trx: Knex.Transaction,
  claims: OidcClaims,
  origin: RequestOrigin,
): Promise<UserModel> {
  await trx.raw("SELECT pg_advisory_xact_lock(?)", [FIRST_SIGN_IN_LOCK]);
  // rows of users before the audit log's chain, as whoever changes users takes them: else two could wait for each other
  await lockAdmins(trx);
  const role = mapRole(deps.settings, claims);
  const known = await UserIdentityModel.query(trx).findOne({ issuer: claims.iss, subject: claims.sub });
  const user = known
    ? await UserModel.query(trx).findById(known.userId).forUpdate()
    : await introduce(deps, trx, claims, { role, origin });
  if (!user?.isActive) throw new OidcError("no-access", "The account is deactivated");
  return await keepRole(deps, trx, user, { role, origin });
}

async function introduce(
  deps: AccountDeps,
  trx: Knex.Transaction,
  claims: OidcClaims,
  { role, origin }: { role: Role | undefined; origin: RequestOrigin },
): Promise<UserModel> {
  const email = emailSchema.safeParse(claims["email"]);
  if (!email.success || claims["email_verified"] !== true)
    throw new OidcError("unverified", "The provider does not vouch for the e-mail address");
  const namesake = await UserModel.query(trx)
    .whereRaw("lower(email) = lower(?)", [email.data])
    .forUpdate()
    .first();
  const user = namesake ?? (await makeUser(deps, trx, claims, { email: email.data, role, origin }));
  const { iss: issuer, sub: subject } = claims;
  const other = await UserIdentityModel.query(trx).findOne({ user_id: user.id, issuer });
  if (other) throw new OidcError("taken", "The account belongs to another subject of the provider");
  await UserIdentityModel.query(trx).insert({ id: newId(), userId: user.id, issuer, subject });
  await deps.audit.record(trx, {
    actor: systemActor("oidc"),
    origin,
    action: "user.link",
    entityType: "user",
    entityId: user.id,
    after: { issuer, subject },
  });
  return user;
}

async function makeUser(
  { settings, audit }: AccountDeps,
  trx: Knex.Transaction,
  claims: OidcClaims,
  fields: { email: string; role: Role | undefined; origin: RequestOrigin },
): Promise<UserModel> {
  const { email, origin } = fields;
  const role = fields.role ?? settings.OIDC_DEFAULT_ROLE;
  if (role === undefined) throw new OidcError("no-access", "No group of this person gives a role");
  const name = typeof claims["name"] === "string" ? claims["name"].trim().slice(0, 100) : "";
  // no password: this account is signed in to through the provider alone, until somebody sets one
  const row = { id: newId(), email, name: name || email.slice(0, 100), role };
  const user = await UserModel.query(trx).insertAndFetch(row);
  const entry = { entityType: "user", entityId: user.id, after: presentUser(user) };
  await audit.record(trx, { actor: systemActor("oidc"), origin, action: "user.create", ...entry });
  return user;
}

/** Where the provider gives roles, it gives them at each sign-in; but it does not take the last admin away. */
async function keepRole(
  { settings, audit }: AccountDeps,
  trx: Knex.Transaction,
  user: UserModel,
  given: { role: Role | undefined; origin: RequestOrigin },
): Promise<UserModel> {
  if (settings.OIDC_ROLE_CLAIM === undefined) return user;
  const role = given.role ?? settings.OIDC_DEFAULT_ROLE;
  const admins = await lockAdmins(trx);
  const mustStay = isLastAdmin(admins, user.id);
  if (role === undefined && !mustStay)
    throw new OidcError("no-access", "No group of this person gives a role");
  if (role === undefined || role === user.role || mustStay) return user;
  await trx("users")
    .where("id", user.id)
    .update({ role, revision: trx.raw("revision + 1"), updated_at: trx.fn.now() });
  const entry = { entityType: "user", entityId: user.id, before: { role: user.role }, after: { role } };
  const { origin } = given;
  await audit.record(trx, { actor: systemActor("oidc"), origin, action: "user.update", ...entry });
  return (await UserModel.query(trx).findById(user.id)) ?? user;
}
