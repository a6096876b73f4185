import { loadSettings } from "../../config/load-settings.js";
import type { Settings } from "../../config/settings-schema.js";
import { EXIT, type ExitCode } from "../cli-error.js";
import {
  checkChromium,
  checkDisk,
  checkNode,
  checkNotebooks,
  checkPython,
} from "../checks/machine-checks.js";
import { checkDatabase, checkRedis, checkSandbox } from "../checks/service-checks.js";
import type { CommandContext } from "../program.js";

/** How one check came out. `missing` is only a lack of something optional. */
export interface CheckResult {
  readonly name: string;
  readonly state: "ok" | "missing" | "failed";
  readonly detail: string;
  /** How to mend it; none when all is well. */
  readonly remedy?: string;
}

/** One check of this machine; must not throw. */
export type Check = (settings: Settings) => Promise<CheckResult>;

const CHECKS: readonly Check[] = [
  checkNode,
  checkPython,
  checkDatabase,
  checkRedis,
  checkSandbox,
  checkNotebooks,
  checkChromium,
  checkDisk,
];
const SIGNS = { ok: "✔", missing: "–", failed: "✖" } as const;

/** `headrace doctor`: exit code 1 when something that Headrace needs is not well. */
export async function runDoctor({ output }: CommandContext): Promise<ExitCode> {
  const settings = loadSettings();
  const results: CheckResult[] = [];
  for (const check of CHECKS) {
    const result = await check(settings);
    results.push(result);
    output.say(`${SIGNS[result.state]} ${result.name.padEnd(12)} ${result.detail}`);
    if (result.remedy) output.say(`  ${"".padEnd(12)} → ${result.remedy}`);
  }
  const isWell = results.every((result) => result.state !== "failed");
  if (output.isJson) output.result({ ok: isWell, checks: results }, "");
  return isWell ? EXIT.ok : EXIT.failed;
}
