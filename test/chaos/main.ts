import { writeFileSync } from "node:fs";
import { CHAOS_HELP, parseChaosOptions } from "./chaos-options.js";
import { hasHeld, toMarkdown, toText } from "./chaos-report.js";
import { type ChaosResult, runChaos } from "./run-chaos.js";

/** Runs the suite as the command line says. @returns the exit code. */
export async function main(args: readonly string[]): Promise<number> {
  let options: ReturnType<typeof parseChaosOptions>;
  try {
    options = parseChaosOptions(args);
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : String(error)}\n\n${CHAOS_HELP}`);
    return 2;
  }
  if (!options) {
    console.log(CHAOS_HELP);
    return 0;
  }
  const results: ChaosResult[] = [];
  for (const backend of options.backends) {
    console.log(`${options.runs} runs on ${backend}, seed ${options.seed} …`);
    const result = await runChaos(backend, options);
    results.push(result);
    console.log(toText(result));
  }
  if (options.report !== undefined) writeFileSync(options.report, toMarkdown(results, new Date()));
  return results.every(hasHeld) ? 0 : 1;
}
