import { applyManifests } from "../apply-manifests.js";
import { connectToApi } from "../connect.js";
import { EXIT, type ExitCode } from "../cli-error.js";
import { loadManifests } from "../load-manifests.js";
import type { CommandContext } from "../program.js";

/** `headrace apply`. */
export async function runApply(path: string, { output }: CommandContext): Promise<ExitCode> {
  const manifests = loadManifests(path);
  const done = await applyManifests(connectToApi(), manifests, (applied) =>
    output.say(`${applied.outcome.padEnd(9)}  ${applied.kind.padEnd(8)}  ${applied.name}@${applied.version}`),
  );
  if (output.isJson) output.result(done, "");
  return EXIT.ok;
}
