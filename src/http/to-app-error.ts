import { AppError, invalidFields } from "../errors/app-error.js";

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
/** Two transactions stood in each other's way; the same request may succeed at once. */
const COLLIDED = new Set(["40001", "40P01", "55P03"]);
const CONNECTION_WORDS =
  /Connection terminated|timeout expired|timeout exceeded when trying to connect|Timeout acquiring a connection|Connection is closed|max retries per request|Unable to acquire a connection/i;

/**
 * The error that a caller is told about. What was thrown on purpose stays as it is; an unreachable database or
 * queue is 503; everything else is a bland 500 whose cause only the log knows.
 */
export function toAppError(thrown: unknown): AppError {
  if (thrown instanceof AppError) return thrown;
  const code = codeOf(thrown);
  const message = thrown instanceof Error ? thrown.message : "";
  if (UNREACHABLE.has(code) || /^08/.test(code) || CONNECTION_WORDS.test(message)) {
    return new AppError(
      "NOT_READY",
      "A service that Headrace depends on cannot be reached. Try again soon.",
      {
        headers: { "Retry-After": "5" },
        cause: thrown,
      },
    );
  }
  if (COLLIDED.has(code)) {
    const detail = "The change collided with another one. Try again.";
    return new AppError("NOT_READY", detail, { headers: { "Retry-After": "1" }, cause: thrown });
  }
  if (code === "23505") return new AppError("CONFLICT", "It exists already", { cause: thrown });
  if (code === "22021" || code === "22P05") {
    return invalidFields([{ path: "", message: "holds characters that cannot be stored" }]);
  }
  return new AppError("INTERNAL", "Something went wrong on our side. The log has it under this request id.", {
    cause: thrown,
  });
}

function codeOf(thrown: unknown): string {
  if (typeof thrown !== "object" || thrown === null) return "";
  if ("code" in thrown && typeof thrown.code === "string") return thrown.code;
  // Objection and AggregateError (several addresses tried) wrap the driver's error
  if ("nativeError" in thrown) return codeOf(thrown.nativeError);
  if (thrown instanceof AggregateError) return codeOf(thrown.errors[0]);
  return "cause" in thrown ? codeOf(thrown.cause) : "";
}
