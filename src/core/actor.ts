import type { Permission, Role } from "./permissions.js";

/** Who asks: a person, a person's API key, or Headrace itself. */
export interface Actor {
  readonly type: "user" | "api_key" | "system";
  /** The person's id (also for an API key: its owner's); null for the system. */
  readonly userId: string | null;
  readonly apiKeyId?: string;
  /** For logs and the audit: an e-mail address, a key's name, a part of the system. */
  readonly name: string;
  readonly role: Role;
  /** Of an API key that has been narrowed: what it may do of what its role may. */
  readonly scopes?: readonly Permission[];
}

/** Where a request came from, for the audit log. */
export interface RequestOrigin {
  readonly requestId: string;
  readonly address: string | null;
}

/** Who asks for a change, and from where: what its audit entry says. */
export interface By {
  readonly actor: Actor;
  readonly origin: RequestOrigin;
}

/** The actor of work that no person asked for. */
export function systemActor(name: string): Actor {
  return { type: "system", userId: null, name, role: "admin" };
}
