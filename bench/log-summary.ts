import { existsSync, readFileSync } from "node:fs";

/** A message that a contender logged, and how often. */
export interface LoggedMessage {
  readonly message: string;
  readonly count: number;
}

/**
 * What a log file holds, by message, most frequent first. Messages of the product are short and fixed; what differs
 * from one to the next is in fields beside them, of which the error's message is kept, without its digits.
 */
export function summariseLog(path: string): LoggedMessage[] {
  if (!existsSync(path)) return [];
  const counts = new Map<string, number>();
  for (const line of readFileSync(path, "utf8").split("\n")) {
    const message = line.trim() === "" ? undefined : messageOf(line);
    if (message !== undefined) counts.set(message, (counts.get(message) ?? 0) + 1);
  }
  return [...counts.entries()]
    .map(([message, count]) => ({ message, count }))
    .sort((one, other) => other.count - one.count);
}

function messageOf(line: string): string {
  let entry: { msg?: unknown; err?: { message?: unknown } };
  try {
    entry = JSON.parse(line) as typeof entry;
  } catch {
    return line.slice(0, 300); // not a log line: a crash, or a warning of Node
  }
  const cause = typeof entry.err?.message === "string" ? `: ${maskNumbers(entry.err.message)}` : "";
  return `${String(entry.msg)}${cause}`.slice(0, 300);
}

function maskNumbers(text: string): string {
  return text.replaceAll(/[0-9a-f]{8}-[0-9a-f-]{27}/g, "…").replaceAll(/\d+/g, "N");
}
