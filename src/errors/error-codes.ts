/** Whose mistake a condition is: the caller's, the platform's, or that of a system we depend on. */
export type ErrorFault = "caller" | "platform" | "upstream";

/** One row of the table of errors. */
export interface ErrorCodeEntry {
  /** HTTP status of the problem document. */
  readonly status: number;
  /** Short, fixed title of the problem document. */
  readonly title: string;
  /** Whether the same request may succeed later. */
  readonly retryable: boolean;
  readonly fault: ErrorFault;
}

/**
 * The one table of error codes. A code's words are final: clients may switch on `type`,
 * which is `https://headrace.dev/problems/<code in lower-kebab case>`.
 */
export const ERROR_CODES = {
  MALFORMED_JSON: { status: 400, title: "Malformed body", retryable: false, fault: "caller" },
  UNAUTHENTICATED: { status: 401, title: "Not signed in", retryable: false, fault: "caller" },
  SIGNATURE_INVALID: { status: 401, title: "Signature not valid", retryable: false, fault: "caller" },
  FORBIDDEN: { status: 403, title: "Not allowed", retryable: false, fault: "caller" },
  NOT_FOUND: { status: 404, title: "Not found", retryable: false, fault: "caller" },
  METHOD_NOT_ALLOWED: { status: 405, title: "Method not allowed", retryable: false, fault: "caller" },
  NOT_ACCEPTABLE: { status: 406, title: "Not acceptable", retryable: false, fault: "caller" },
  REQUEST_TIMEOUT: { status: 408, title: "Request timed out", retryable: true, fault: "caller" },
  CONFLICT: { status: 409, title: "Conflict", retryable: false, fault: "caller" },
  REVISION_STALE: { status: 412, title: "Stale revision", retryable: false, fault: "caller" },
  BODY_TOO_LARGE: { status: 413, title: "Too large", retryable: false, fault: "caller" },
  UNSUPPORTED_MEDIA_TYPE: { status: 415, title: "Unsupported media type", retryable: false, fault: "caller" },
  MISDIRECTED: { status: 421, title: "Misdirected request", retryable: false, fault: "caller" },
  INVALID_FIELDS: { status: 422, title: "Invalid fields", retryable: false, fault: "caller" },
  TOO_MANY_REQUESTS: { status: 429, title: "Too many requests", retryable: true, fault: "caller" },
  HEADERS_TOO_LARGE: { status: 431, title: "Headers too large", retryable: false, fault: "caller" },
  INTERNAL: { status: 500, title: "Internal error", retryable: true, fault: "platform" },
  UPSTREAM_FAILED: { status: 502, title: "Upstream error", retryable: true, fault: "upstream" },
  NOT_READY: { status: 503, title: "Not ready", retryable: true, fault: "platform" },
} as const satisfies Record<string, ErrorCodeEntry>;

/** A code of the table above. */
export type ErrorCode = keyof typeof ERROR_CODES;
