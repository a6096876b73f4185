import { AppError } from "../../errors/app-error.js";

/** One thing that this process needs. `check` rejects, or outlasts its time, when it is missing. */
export interface ReadinessCheck {
  readonly name: string;
  check(signal: AbortSignal): Promise<unknown>;
}

/** Whether a process can do its work. */
export interface Readiness {
  readonly ready: boolean;
  readonly checks: readonly {
    readonly name: string;
    readonly ok: boolean;
    readonly latencyMs: number;
    /** Why it failed, where that is fit for strangers: what a check has thrown as an AppError. */
    readonly reason?: string;
  }[];
  /** The names of the checks that failed. */
  readonly missing: readonly string[];
}

const LIMIT_MS = 3000;
const KEPT_MS = 500;

/**
 * Runs all checks at once, each within three seconds. What they find is shared by callers of the next half second:
 * the route is public, and must not let strangers load the database.
 */
export function createReadiness(deps: {
  readonly checks: readonly ReadinessCheck[];
  onFailure(name: string, error: unknown): void;
}): () => Promise<Readiness> {
  let last: { at: number; found: Promise<Readiness> } | undefined;
  async function runChecks(): Promise<Readiness> {
    const checks = await Promise.all(deps.checks.map(async (check) => await runCheck(check, deps.onFailure)));
    const missing = checks.filter((check) => !check.ok).map((check) => check.name);
    return { ready: missing.length === 0, checks, missing };
  }
  return async () => {
    if (last === undefined || performance.now() - last.at > KEPT_MS) {
      last = { at: performance.now(), found: runChecks() };
    }
    return await last.found;
  };
}

async function runCheck(check: ReadinessCheck, onFailure: (name: string, error: unknown) => void) {
  const startedAtMs = performance.now();
  const signal = AbortSignal.timeout(LIMIT_MS);
  const isLate = new Promise<never>((_resolve, reject) => {
    signal.addEventListener("abort", () => reject(new Error("took too long")), { once: true });
  });
  let ok = true;
  let reason: string | undefined;
  try {
    await Promise.race([check.check(signal), isLate]);
  } catch (error) {
    ok = false;
    if (error instanceof AppError) reason = error.detail;
    onFailure(check.name, error);
  }
  const latencyMs = Math.round(performance.now() - startedAtMs);
  return { name: check.name, ok, latencyMs, ...(reason === undefined ? {} : { reason }) };
}
