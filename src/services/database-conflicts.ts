/** Whether PostgreSQL refused a row because its key is taken. */
export function isUniqueViolation(error: unknown): boolean {
  return hasSqlState(error, "23505");
}

/** Whether PostgreSQL refused a change because another row refers to, or is missing for, this one. */
export function isForeignKeyViolation(error: unknown): boolean {
  return hasSqlState(error, "23503");
}

/** Whether PostgreSQL gave up waiting for a lock (`lock_timeout`). */
export function isLockTimeout(error: unknown): boolean {
  return hasSqlState(error, "55P03");
}

/** Objection wraps the driver's error and keeps it as `nativeError`. */
function hasSqlState(error: unknown, state: string): boolean {
  if (typeof error !== "object" || error === null) return false;
  const { code, nativeError } = error as { code?: unknown; nativeError?: unknown };
  return code === state || (nativeError !== undefined && hasSqlState(nativeError, state));
}

/**
 * Whether PostgreSQL refuses a value for what it is – NUL or half a character in it, too large for a column – so that
 * trying again could never help.
 */
export function isUnstorableValue(error: unknown): boolean {
  const { code, nativeError } = error as { code?: unknown; nativeError?: unknown };
  if (typeof code === "string" && /^(22|54)/.test(code)) return true;
  return nativeError !== undefined && isUnstorableValue(nativeError);
}
