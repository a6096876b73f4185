import type { Role } from "../../../../src/core/permissions.js";

const WORDS: Readonly<Record<Role, string>> = {
  viewer: "viewer: reads",
  operator: "operator: also starts, cancels, approves",
  editor: "editor: also creates and changes",
  admin: "admin: everything",
};

/** The roles, weakest first, with what each may. */
export const ROLE_OPTIONS = (Object.keys(WORDS) as Role[]).map((value) => ({ value, label: WORDS[value] }));
