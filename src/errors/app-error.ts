import { ERROR_CODES, type ErrorCode, type ErrorCodeEntry } from "./error-codes.js";

/** One fault in a request: `path` is a JSON Pointer into it. */
export interface FieldFault {
  readonly path: string;
  readonly message: string;
}

/** What an {@link AppError} may carry beside its code and detail. */
export interface AppErrorOptions {
  /** Every fault found, so that a caller can mend them all at once. */
  readonly faults?: readonly FieldFault[];
  /** Extra response headers, `Retry-After` for one. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly cause?: unknown;
}

/** The only error that services throw on purpose. `detail` is shown to the caller: no secrets, no SQL. */
export class AppError extends Error {
  readonly code: ErrorCode;
  readonly detail: string;
  readonly faults: readonly FieldFault[];
  readonly headers: Readonly<Record<string, string>>;

  constructor(code: ErrorCode, detail: string, options: AppErrorOptions = {}) {
    super(`${code}: ${detail}`, { cause: options.cause });
    this.name = "AppError";
    this.code = code;
    this.detail = detail;
    this.faults = options.faults ?? [];
    this.headers = options.headers ?? {};
  }

  /** The row of the error table for this error's code. */
  get entry(): ErrorCodeEntry {
    return ERROR_CODES[this.code];
  }
}

/** 404 for a thing that is not there, or that an id cannot name. */
export function notFound(what: string): AppError {
  return new AppError("NOT_FOUND", `${what} not found`);
}

/** 409: the thing's state, or another thing, stands in the way. */
export function conflict(detail: string, faults: readonly FieldFault[] = []): AppError {
  return new AppError("CONFLICT", detail, { faults });
}

/** 422 with every fault at once. */
export function invalidFields(faults: readonly FieldFault[]): AppError {
  const [first] = faults;
  const detail =
    faults.length === 1 && first
      ? `${first.path || "body"}: ${first.message}`
      : `${faults.length} fields are not valid`;
  return new AppError("INVALID_FIELDS", detail, { faults });
}

/** Narrows anything thrown to an `Error`, keeping what was thrown as its cause. */
export function toError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown), { cause: thrown });
}
