import type { AppError } from "../errors/app-error.js";
import { ERROR_CODES } from "../errors/error-codes.js";

/** A problem document (RFC 9457), as every error answer carries it. */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly instance: string;
  readonly requestId: string;
  readonly errors?: readonly { readonly path: string; readonly message: string }[];
}

const MOST_FAULTS = 200;

/** The problem document of an error. */
export function presentProblem(error: AppError, request: { requestId: string; path: string }): Problem {
  const entry = ERROR_CODES[error.code];
  return {
    type: `https://headrace.dev/problems/${error.code.toLowerCase().replaceAll("_", "-")}`,
    title: entry.title,
    status: entry.status,
    detail: error.detail,
    instance: toInstance(request.path),
    requestId: request.requestId,
    ...(error.faults.length > 0 ? { errors: error.faults.slice(0, MOST_FAULTS) } : {}),
  };
}

/** The path without what may be secret in it: a hook's token is its credential. */
function toInstance(path: string): string {
  return path.startsWith("/hooks/") ? "/hooks/…" : path.slice(0, 200);
}
