/** Exit codes of every command. */
export const EXIT = { ok: 0, failed: 1, usage: 2 } as const;
/** One of {@link EXIT}. */
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** Why a command did not do its work, in lines that a person can act on. Shown without a stack. */
export class CliError extends Error {
  readonly exitCode: ExitCode;
  /** For `--json`: what went wrong, beyond the message. */
  readonly details: unknown;

  constructor(message: string, options: { exitCode?: ExitCode; details?: unknown; cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.name = "CliError";
    this.exitCode = options.exitCode ?? EXIT.failed;
    this.details = options.details;
  }
}

/** The command was written wrongly, or a file that it names is not valid. */
export function usageError(message: string, details?: unknown): CliError {
  return new CliError(message, { exitCode: EXIT.usage, details });
}
