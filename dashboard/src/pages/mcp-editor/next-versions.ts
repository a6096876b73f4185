/** A way to go on from a version. */
export interface NextVersion {
  readonly kind: "first" | "patch" | "minor" | "major" | "trial";
  readonly version: string;
  /** When it is the right one. */
  readonly meaning: string;
}

const SEMVER = /^(\d+)\.(\d+)\.(\d+)(?:-([0-9A-Za-z.-]+))?/;

/** The versions that may follow the newest of these; `taken` are skipped. */
export function nextVersions(taken: readonly string[]): NextVersion[] {
  const releases = taken.flatMap((text) => {
    const match = SEMVER.exec(text);
    return match && match[4] === undefined ? [match.slice(1, 4).map(Number) as [number, number, number]] : [];
  });
  const newest = releases.reduce<readonly [number, number, number] | undefined>(
    (best, each) => (best === undefined || isLater(each, best) ? each : best),
    undefined,
  );
  if (newest === undefined)
    return [{ kind: "first", version: "1.0.0", meaning: "The first release" }, trialOf([1, 0, 0], taken)];
  const [major, minor, patch] = newest;
  return [
    { kind: "patch", version: `${major}.${minor}.${patch + 1}`, meaning: "Same inputs and outputs, a mend" },
    {
      kind: "minor",
      version: `${major}.${minor + 1}.0`,
      meaning: "Something more, nothing less: callers notice nothing",
    },
    { kind: "major", version: `${major + 1}.0.0`, meaning: "Callers must change with it" },
    trialOf([major, minor, patch + 1], taken),
  ];
}

/** A pre-release: workflows do not take it by themselves, so it is the one to try things with. */
function trialOf([major, minor, patch]: readonly number[], taken: readonly string[]): NextVersion {
  let number = 1;
  while (taken.includes(`${major}.${minor}.${patch}-trial.${number}`)) number += 1;
  const version = `${major}.${minor}.${patch}-trial.${number}`;
  return { kind: "trial", version, meaning: "To try it: no workflow takes it by itself" };
}

/**
 * Which of them the change asks for: a new required input, or an input or output taken away, breaks callers; a new
 * input or output adds; anything else mends.
 */
export function suggestKind(
  before: { readonly inputSchema: unknown; readonly outputSchema: unknown },
  after: { readonly inputSchema: unknown; readonly outputSchema: unknown },
): "patch" | "minor" | "major" {
  const inputs = compare(before.inputSchema, after.inputSchema);
  const outputs = compare(before.outputSchema, after.outputSchema);
  const needs = membersOf(after.inputSchema).required.filter(
    (name) => !membersOf(before.inputSchema).required.includes(name),
  );
  if (needs.length > 0 || inputs.isChanged || outputs.isChanged) return "major";
  return inputs.isWider || outputs.isWider ? "minor" : "patch";
}

function compare(before: unknown, after: unknown): { isChanged: boolean; isWider: boolean } {
  const olds = membersOf(before).types;
  const news = membersOf(after).types;
  const isChanged = Object.entries(olds).some(([name, type]) => news[name] !== type);
  const isWider = Object.keys(news).some((name) => !(name in olds));
  return { isChanged, isWider };
}

function membersOf(schema: unknown): { types: Record<string, string>; required: string[] } {
  if (typeof schema !== "object" || schema === null) return { types: {}, required: [] };
  const { properties = {}, required = [] } = schema as {
    readonly properties?: Record<string, { readonly type?: unknown }>;
    readonly required?: string[];
  };
  const types = Object.entries(properties).map(([name, member]) => [
    name,
    JSON.stringify(member?.type ?? null),
  ]);
  return { types: Object.fromEntries(types) as Record<string, string>, required };
}

function isLater(one: readonly number[], other: readonly number[]): boolean {
  for (const index of [0, 1, 2]) {
    const difference = (one[index] ?? 0) - (other[index] ?? 0);
    if (difference !== 0) return difference > 0;
  }
  return false;
}
