import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { resolvePython } from "../src/executors/script/python-interpreter.js";
import type { McpRegistry } from "../src/services/mcp-registry/mcp-registry.js";
import type { By } from "../src/core/actor.js";
import type { WorkflowDefinitions } from "../src/services/workflow-definitions/workflow-definitions.js";
import { measureForks } from "./fork-limit.js";
import type { Progress } from "./rounds.js";
import { median } from "./statistics.js";
import type { ScriptRatios } from "./targets.js";

/** W4: so many steps in a row, each a script that computes a small Fibonacci number. */
export const SCRIPT_STEPS = 40;

/** The scripts that W4 is measured with. */
export const SCRIPT_KINDS = ["python", "pythonCold", "typescript"] as const;
export type ScriptKind = (typeof SCRIPT_KINDS)[number];

const PYTHON =
  "def fib(n):\n    return n if n < 2 else fib(n - 1) + fib(n - 2)\n\ndef main():\n    return fib(10)\n";
const TYPESCRIPT =
  "const fib = (n: number): number => (n < 2 ? n : fib(n - 1) + fib(n - 2));\nexport const main = () => fib(10);\n";
const CONFIGS = {
  python: { type: "python_script", code: PYTHON },
  // a variable that must be there as the interpreter starts, so that it has to be started for this step
  pythonCold: { type: "python_script", code: PYTHON, env: { LC_ALL: "C.UTF-8" } },
  typescript: { type: "typescript_script", code: TYPESCRIPT },
} as const;

/** What W4 took, a figure for each round. */
export interface ScriptFigures {
  /** Milliseconds of a whole run, by kind of script. */
  readonly runMs: Readonly<Record<ScriptKind, readonly number[]>>;
  /** Milliseconds of as many bare forks of a preloaded interpreter, measured between the runs. */
  readonly forksMs: readonly number[];
  readonly ratios: ScriptRatios;
}

/** Publishes the component and the workflow of a kind. @returns the workflow's name. */
export async function publishScriptWorkflow(
  services: { readonly registry: McpRegistry; readonly workflows: WorkflowDefinitions },
  kind: ScriptKind,
  by: By,
): Promise<string> {
  const { registry, workflows } = services;
  const name = `bench-${kind.toLowerCase()}-${randomBytes(5).toString("hex")}`;
  const config = CONFIGS[kind];
  await registry.create({ name, mcpType: config.type }, by.actor, by.origin);
  await registry.createVersion(name, { version: "1.0.0", config }, by.actor, by.origin);
  const steps = Array.from({ length: SCRIPT_STEPS }, (_, index) => ({
    id: `step-${index + 1}`,
    uses: `mcp:${name}@1.0.0`,
    dependsOn: index === 0 ? [] : [`step-${index}`],
  }));
  await workflows.create({ name, definition: { steps } }, by);
  return name;
}

/** Long enough for a worker to have its interpreters ready again. */
const SETTLE_MS = 1_000;

/** Runs every kind once a round, with as many bare forks right before and after the warm one. */
export async function measureScriptSteps(options: {
  readonly runScripts: (kind: ScriptKind) => Promise<void>;
  readonly rounds: number;
  readonly signal: AbortSignal;
  readonly progress: Progress;
}): Promise<ScriptFigures> {
  const { runScripts, rounds, signal, progress } = options;
  const python = await resolvePython();
  const runMs = { python: [] as number[], pythonCold: [] as number[], typescript: [] as number[] };
  const forksMs: number[] = [];
  for (const kind of SCRIPT_KINDS) await runScripts(kind); // environments, zygotes, compiled code
  for (let round = 1; round <= rounds; round += 1) {
    const forks: number[] = [];
    for (const kind of SCRIPT_KINDS) {
      await runScripts(kind); // the processes that wait are this kind's
      await sleep(SETTLE_MS, undefined, { signal });
      if (kind === "python") forks.push(await forkAll(python));
      const startedAt = performance.now();
      await runScripts(kind);
      runMs[kind].push(performance.now() - startedAt);
      if (kind === "python") forks.push(await forkAll(python));
    }
    forksMs.push((forks[0] ?? 0) / 2 + (forks[1] ?? 0) / 2);
    const last = SCRIPT_KINDS.map((kind) => `${kind} ${runMs[kind].at(-1)?.toFixed(0)}`).join(", ");
    progress(`round ${round}/${rounds} W4: ${last}, bare forks ${forksMs.at(-1)?.toFixed(0)} ms`);
  }
  return { runMs, forksMs, ratios: toRatios(runMs, forksMs) };
}

async function forkAll(python: string): Promise<number> {
  const times = await measureForks(python, SCRIPT_STEPS);
  return times.reduce((sum, ms) => sum + ms, 0);
}

function toRatios(runMs: ScriptFigures["runMs"], forksMs: readonly number[]): ScriptRatios {
  const paired = (over: readonly number[], under: readonly number[]): number =>
    median(over.map((ms, round) => ms / (under[round] ?? Number.NaN)));
  return {
    vsZygote: paired(runMs.python, forksMs),
    warmVsCold: paired(runMs.pythonCold, runMs.python),
    seconds: median(runMs.python) / 1000,
    typescriptMsPerStep: median(runMs.typescript) / SCRIPT_STEPS,
  };
}
