import { loadSettings } from "../../config/load-settings.js";
import { prepareInstallation } from "../../lifecycle/prepare-installation.js";
import { withDatabase } from "../../lifecycle/with-database.js";
import { EXIT, type ExitCode } from "../cli-error.js";
import type { CommandContext } from "../program.js";

/** `headrace migrate`: the release step of an installation. Safe to repeat, and from several machines at once. */
export async function runMigrate({ output }: CommandContext): Promise<ExitCode> {
  const logger = { info: () => undefined, warn: (_: object, text: string) => output.warn(text) };
  const done = await withDatabase(loadSettings(), logger, (settings) => prepareInstallation(settings));
  const lines = [
    done.applied.length > 0 ? `Applied: ${done.applied.join(", ")}` : "The schema is up to date.",
    ...(done.adminEmail ? [`Admin: ${done.adminEmail}`] : []),
  ];
  output.result(done, lines.join("\n"));
  return EXIT.ok;
}
