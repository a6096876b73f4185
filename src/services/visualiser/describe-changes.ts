import type { JsonObject } from "../../core/json.js";
import { diffTools, type ToolDiff } from "../../core/tool-diff.js";

/** The schemas of a version; null: none, so that anything goes. */
export interface VersionSchemas {
  readonly inputSchema: JsonObject | null;
  readonly outputSchema: JsonObject | null;
}

/** What callers of a version see of a change to another: a component is judged as a tool is. */
export function diffSchemas(before: VersionSchemas, after: VersionSchemas): ToolDiff {
  return diffTools([toTool(before)], [toTool(after)]);
}

function toTool({ inputSchema, outputSchema }: VersionSchemas) {
  return { name: "component", inputSchema: inputSchema ?? {}, ...(outputSchema ? { outputSchema } : {}) };
}

/** What a version is made of, as far as a lineage compares it. */
export interface ComparedVersion extends VersionSchemas {
  readonly externalDbConfigs: readonly string[];
  readonly secrets: readonly string[];
}

const MOST_NAMED = 20;

/** The changes from one version to the next in words, and what they mean to callers. */
export function describeChanges(
  before: ComparedVersion,
  after: ComparedVersion,
  changedSettings: readonly string[],
): { readonly severity: ToolDiff["kind"]; readonly changes: string[] } {
  const { kind, changes } = diffSchemas(before, after);
  const all = [
    ...changes.map(({ path, message }) => `${path} ${message}`),
    ...changedSettings.map((name) => `config.${name} was changed`),
    ...compareNames("database", before.externalDbConfigs, after.externalDbConfigs),
    ...compareNames("secret", before.secrets, after.secrets),
  ];
  const more = all.length - MOST_NAMED;
  return {
    severity: kind,
    changes: more > 0 ? [...all.slice(0, MOST_NAMED), `and ${more} more`] : all,
  };
}

function compareNames(what: string, before: readonly string[], after: readonly string[]): string[] {
  return [
    ...after.filter((name) => !before.includes(name)).map((name) => `${what} ${name} was added`),
    ...before.filter((name) => !after.includes(name)).map((name) => `${what} ${name} was removed`),
  ];
}
