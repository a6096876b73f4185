/** One fault of a request; `path` is a JSON Pointer into it. */
export interface Fault {
  readonly path: string;
  readonly message: string;
}

/** What the server said no to, or that it could not be reached (`status` 0). Its message is for people. */
export class ApiError extends Error {
  readonly status: number;
  readonly title: string;
  /** Names the request in the server's log; undefined when no answer came. */
  readonly requestId: string | undefined;
  readonly faults: readonly Fault[];
  /** From `Retry-After`. */
  readonly retryAfterSeconds: number | undefined;

  constructor(problem: {
    readonly status: number;
    readonly title: string;
    readonly detail: string;
    readonly requestId?: string | undefined;
    readonly faults?: readonly Fault[];
    readonly retryAfterSeconds?: number | undefined;
  }) {
    super(problem.detail);
    this.name = "ApiError";
    this.status = problem.status;
    this.title = problem.title;
    this.requestId = problem.requestId;
    this.faults = problem.faults ?? [];
    this.retryAfterSeconds = problem.retryAfterSeconds;
  }
}

/** What the server said of one member of a request, or of what is below it. */
export function findFault(error: unknown, path: string): string | undefined {
  if (!(error instanceof ApiError)) return undefined;
  return error.faults.find((each) => each.path === path || each.path.startsWith(`${path}/`))?.message;
}

/** Reads an answer that is no success: a problem document, or whatever a proxy in between has made of it. */
export async function toApiError(response: Response): Promise<ApiError> {
  const problem = (await response.json().catch(() => ({}))) as {
    title?: unknown;
    detail?: unknown;
    requestId?: unknown;
    errors?: unknown;
  };
  const retryAfter = Number(response.headers.get("retry-after") ?? Number.NaN);
  return new ApiError({
    status: response.status,
    title: typeof problem.title === "string" ? problem.title : "Request failed",
    detail: typeof problem.detail === "string" ? problem.detail : `The server answered ${response.status}.`,
    requestId:
      typeof problem.requestId === "string"
        ? problem.requestId
        : (response.headers.get("x-request-id") ?? undefined),
    faults: Array.isArray(problem.errors) ? (problem.errors as Fault[]) : [],
    retryAfterSeconds: Number.isFinite(retryAfter) ? retryAfter : undefined,
  });
}

/** No answer at all: the network, or a server that is down. */
export function unreachable(): ApiError {
  return new ApiError({
    status: 0,
    title: "No connection",
    detail: "The server cannot be reached. The console keeps trying.",
  });
}

/** Whether the same request may succeed later. */
export function isWorthRetrying(error: unknown): boolean {
  return error instanceof ApiError && (error.status === 0 || error.status === 503 || error.status === 502);
}
