import { createServer } from "node:net";
import type { Settings } from "../config/settings-schema.js";
import { StartupError } from "./startup-error.js";

/**
 * Finds out before anything is started whether the API's port can be had.
 * @throws StartupError of one line when it cannot.
 */
export async function assertPortIsFree(settings: Settings): Promise<void> {
  if (settings.PORT === 0) return;
  await new Promise<void>((resolve, reject) => {
    const probe = createServer();
    probe.once("error", (error) => reject(asPortError(error, settings) ?? error));
    probe.listen({ port: settings.PORT, host: settings.HOST }, () => probe.close(() => resolve()));
  });
}

/** What an error of `listen` means for a person; undefined for any other error. */
export function asPortError(error: unknown, settings: Settings): StartupError | undefined {
  if (!(error instanceof Error) || !("syscall" in error) || error.syscall !== "listen") return undefined;
  const code = "code" in error ? String(error.code) : error.message;
  const where = `Port ${settings.PORT} on ${settings.HOST}`;
  const why = code === "EADDRINUSE" ? "is in use by another program" : `cannot be listened on (${code})`;
  return new StartupError(`${where} ${why}. Set PORT to a free one, for example PORT=${settings.PORT + 1}.`, {
    cause: error,
  });
}
