import type { Workflow } from "../../../../src/contracts/api/workflow-definitions.js";
import { readText, writeText } from "./yaml-document.js";

const keyOf = (id: string) => `headrace.text.${id}`;

/**
 * The text that a workflow is edited in. The server keeps definitions, not texts: the comments that were written in
 * this browser come back as long as its text still means the version that is edited.
 */
export function textFor({ id, definition }: Pick<Workflow, "id" | "definition">): string {
  const kept = localStorage.getItem(keyOf(id));
  if (kept !== null && isSame(readText(kept).definition, definition)) return kept;
  return writeText(definition);
}

/** Keeps a text that was saved. */
export function keepText(id: string, text: string): void {
  try {
    localStorage.setItem(keyOf(id), text);
  } catch {
    // a browser that keeps no more: comments are lost, nothing else
    localStorage.removeItem(keyOf(id));
  }
}

function isSame(one: unknown, other: unknown): boolean {
  return stable(one) === stable(other);
}

function stable(value: unknown): string {
  return JSON.stringify(value, (_key, member: unknown) =>
    typeof member === "object" && member !== null && !Array.isArray(member)
      ? Object.fromEntries(Object.entries(member).sort(([a], [b]) => (a < b ? -1 : 1)))
      : member,
  );
}
