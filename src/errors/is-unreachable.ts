/** Node's and PostgreSQL's codes for a server that is gone, going, full, or starting. */
const UNREACHABLE = new Set([
  "ECONNREFUSED",
  "ECONNRESET",
  "EPIPE",
  "ENOTFOUND",
  "EAI_AGAIN",
  "ETIMEDOUT",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "57P01",
  "57P02",
  "57P03",
  "53300",
  "3D000",
]);
const CONNECTION_WORDS =
  /Connection terminated|timeout expired|timeout exceeded when trying to connect|Timeout acquiring a connection|Connection is closed|max retries per request|Unable to acquire a connection|Client has encountered a connection error|Connection ended unexpectedly/i;

/** Whether something failed because a server that we depend on is away: trying again later may help. */
export function isUnreachable(thrown: unknown): boolean {
  const code = codeOf(thrown);
  const message = thrown instanceof Error ? thrown.message : "";
  return UNREACHABLE.has(code) || /^08/.test(code) || CONNECTION_WORDS.test(message);
}

/** The code that Node or a driver gave an error, however it was wrapped; empty when there is none. */
export function codeOf(thrown: unknown): string {
  if (typeof thrown !== "object" || thrown === null) return "";
  if ("code" in thrown && typeof thrown.code === "string") return thrown.code;
  // Objection and AggregateError (several addresses tried) wrap the driver's error
  if ("nativeError" in thrown) return codeOf(thrown.nativeError);
  if (thrown instanceof AggregateError) return codeOf(thrown.errors[0]);
  return "cause" in thrown ? codeOf(thrown.cause) : "";
}
