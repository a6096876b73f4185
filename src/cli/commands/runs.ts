import { readFileSync } from "node:fs";
import { z } from "zod";
import type { ApiClient } from "../api-client.js";
import { itemsOf, logLineShape, type Run, runEventShape, runShape, stepRunShape } from "../api-shapes.js";
import { EXIT, type ExitCode, usageError } from "../cli-error.js";
import { connectToApi } from "../connect.js";
import { describeEvent, followRun } from "../follow-run.js";
import { formatDuration, formatTable, toPlainText } from "../output.js";
import type { CommandContext } from "../program.js";
import { saveArtifacts } from "../save-artifacts.js";

const runPath = (id: string): string => `/api/v1/workflow-runs/${encodeURIComponent(id)}`;

interface StartOptions {
  readonly input?: string;
  readonly runVersion?: number;
  readonly label?: readonly string[];
  readonly priority?: number;
  readonly follow?: boolean;
  readonly wait?: boolean;
  /** Folder for the run's artifacts. */
  readonly save?: string;
}

/** `headrace run`: exit code 1 when it was followed or waited for and did not succeed. */
export async function startRun(
  workflow: string,
  options: StartOptions,
  { output }: CommandContext,
): Promise<ExitCode> {
  const api = connectToApi();
  const run = await api.call("POST", "/api/v1/workflow-runs", runShape, {
    body: {
      workflow,
      input: options.input === undefined ? {} : parseInput(options.input),
      ...(options.runVersion === undefined ? {} : { version: options.runVersion }),
      ...(options.priority === undefined ? {} : { priority: options.priority }),
      ...(options.label === undefined ? {} : { labels: parseLabels(options.label) }),
    },
  });
  if (!options.follow && !options.wait && options.save === undefined) {
    output.result(run, `${run.id}  ${run.status}`);
    return EXIT.ok;
  }
  const ended = options.follow ? await followRun(api, run.id, output) : await awaitRun(api, run.id);
  const saved = options.save === undefined ? undefined : await saveArtifacts(api, run.id, options.save);
  await printOutcome(api, ended, { output }, saved);
  return ended.status === "succeeded" ? EXIT.ok : EXIT.failed;
}

/** Prints how a run ended: its output or its error, and where its artifacts are. */
export async function printOutcome(
  api: ApiClient,
  run: Run,
  { output }: CommandContext,
  /** Files that the artifacts were saved to; without it, their addresses are shown. */
  saved?: readonly string[],
): Promise<void> {
  const steps = await api.call("GET", `${runPath(run.id)}/steps`, itemsOf(stepRunShape));
  const artifacts = steps.flatMap((step) =>
    (step.artifacts ?? []).map((artifact) => ({ stepId: step.stepId, ...artifact })),
  );
  const lines = [`Run ${run.id} ${run.status} in ${formatDuration(run.durationMs)}.`];
  if (run.error) {
    const at = run.error.stepId ? ` in step ${run.error.stepId}` : "";
    lines.push(`${run.error.code}${at}: ${toPlainText(run.error.message)}`);
  }
  if (run.status === "succeeded") lines.push(JSON.stringify(run.output, undefined, 2));
  const links = artifacts.map(
    (artifact) =>
      `Artifact ${artifact.name} of step ${artifact.stepId}: ${api.url}/api/v1/artifacts/${artifact.id}`,
  );
  lines.push(...(saved?.map((path) => `Artifact saved as ${path}`) ?? links));
  output.result({ ...run, artifacts, ...(saved ? { saved } : {}) }, lines.join("\n"));
}

/** `headrace runs`. */
export async function listRuns(
  options: { limit: number; status?: string; workflow?: string; label?: readonly string[] },
  { output }: CommandContext,
): Promise<ExitCode> {
  const query = { status: options.status, workflow: options.workflow, label: options.label };
  const runs = await connectToApi().list("/api/v1/workflow-runs", runShape, { query, most: options.limit });
  const rows = runs.map((run) => [
    run.id,
    `${run.workflow.name}@${run.workflow.version}`,
    run.status,
    run.trigger,
    run.createdAt,
    formatDuration(run.durationMs),
  ]);
  output.result(runs, formatTable(["RUN", "WORKFLOW", "STATUS", "TRIGGER", "CREATED", "DURATION"], rows));
  return EXIT.ok;
}

/** `headrace logs`: with `--json`, one JSON object a line. */
export async function printLogs(
  runId: string,
  options: { step?: string; follow?: boolean },
  { output }: CommandContext,
): Promise<ExitCode> {
  const api = connectToApi();
  if (options.follow) return await followLogs(api, runId, options.step, { output });
  const lines = await api.list(`${runPath(runId)}/logs`, logLineShape, { query: { stepId: options.step } });
  for (const line of lines) {
    const text = `${line.at}  ${line.stepId ?? ""} | ${toPlainText(line.message)}`;
    process.stdout.write(`${output.isJson ? JSON.stringify(line) : text}\n`);
  }
  return EXIT.ok;
}

async function followLogs(
  api: ApiClient,
  runId: string,
  stepId: string | undefined,
  { output }: CommandContext,
): Promise<ExitCode> {
  for await (const frame of api.follow(`${runPath(runId)}/stream`)) {
    const event = runEventShape.safeParse(JSON.parse(frame.data)).data;
    if (event?.type !== "step.log" || (stepId !== undefined && event.stepId !== stepId)) continue;
    if (output.isJson) process.stdout.write(`${JSON.stringify(event)}\n`);
    else for (const line of describeEvent(event)) output.say(line);
  }
  return EXIT.ok;
}

/** `headrace cancel`. */
export async function cancelRun(runId: string, { output }: CommandContext): Promise<ExitCode> {
  const answer = await connectToApi().call("POST", `${runPath(runId)}/cancel`, z.unknown(), { body: {} });
  output.result(answer ?? { id: runId }, `Run ${runId} is being canceled.`);
  return EXIT.ok;
}

async function awaitRun(api: ApiClient, runId: string): Promise<Run> {
  const frames = api.follow(`${runPath(runId)}/stream`);
  while (!(await frames.next()).done); // only the end matters here
  return await api.call("GET", runPath(runId), runShape);
}

/** JSON given on the command line, or in a file as `@file`. @throws CliError (exit code 2) when it is none. */
export function parseInput(text: string): unknown {
  const source = text.startsWith("@") ? readInputFile(text.slice(1)) : text;
  try {
    return JSON.parse(source);
  } catch (error) {
    throw usageError(`--input is not JSON: ${(error as Error).message}`);
  }
}

function readInputFile(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw usageError(`--input names a file that cannot be read: ${(error as Error).message}`);
  }
}

function parseLabels(labels: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    labels.map((label) => {
      const colon = label.indexOf(":");
      if (colon < 1) throw usageError(`--label ${label} must be key:value`);
      return [label.slice(0, colon), label.slice(colon + 1)];
    }),
  );
}
