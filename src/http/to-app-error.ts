import { AppError, invalidFields } from "../errors/app-error.js";
import { codeOf, isUnreachable } from "../errors/is-unreachable.js";

/** Two transactions stood in each other's way; the same request may succeed at once. */
const COLLIDED = new Set(["40001", "40P01", "55P03"]);
/** What the database says of a ciphertext whose key was forgotten (`retired_keys`). */
const RETIRED_KEY = "HRK01";

/**
 * The error that a caller is told about. What was thrown on purpose stays as it is; an unreachable database or
 * queue is 503; everything else is a bland 500 whose cause only the log knows.
 */
export function toAppError(thrown: unknown): AppError {
  if (thrown instanceof AppError) return thrown;
  const code = codeOf(thrown);
  if (isUnreachable(thrown)) {
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
  if (code === RETIRED_KEY) {
    const detail = "This process still encrypts with a key that was retired. It must be restarted.";
    return new AppError("NOT_READY", detail, { headers: { "Retry-After": "60" }, cause: thrown });
  }
  if (code === "23505") return new AppError("CONFLICT", "It exists already", { cause: thrown });
  if (code === "22021" || code === "22P05") {
    return invalidFields([{ path: "", message: "holds characters that cannot be stored" }]);
  }
  return new AppError("INTERNAL", "Something went wrong on our side. The log has it under this request id.", {
    cause: thrown,
  });
}
