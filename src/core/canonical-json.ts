/**
 * JSON with sorted member names and no spaces: equal values give equal text, whatever order their members
 * were written in or came back from `jsonb` in. Members that JSON cannot hold (`undefined`, functions) are left out.
 */
export function toCanonicalJson(value: unknown): string {
  return JSON.stringify(sortMembers(value)) ?? "null";
}

function sortMembers(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sortMembers);
  if (typeof value !== "object" || value === null) return value;
  if ("toJSON" in value && typeof value.toJSON === "function") return sortMembers(value.toJSON());
  const entries = Object.entries(value)
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(([name, member]) => [name, sortMembers(member)]);
  return Object.fromEntries(entries);
}
