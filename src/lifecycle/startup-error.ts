/** Why Headrace cannot start or go on, in one or two lines that say how to mend it. Shown without a stack. */
export class StartupError extends Error {
  constructor(message: string, options: { cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.name = "StartupError";
  }
}
