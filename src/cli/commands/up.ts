import { rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { loadSettings } from "../../config/load-settings.js";
import type { Settings } from "../../config/settings-schema.js";
import {
  type EmbeddedPostgres,
  type LifecycleLogger,
  startEmbeddedPostgres,
} from "../../lifecycle/embedded-postgres.js";
import { acquireInstanceLock } from "../../lifecycle/instance-lock.js";
import { assertPortIsFree } from "../../lifecycle/port.js";
import { type PreparedInstallation, prepareInstallation } from "../../lifecycle/prepare-installation.js";
import { createSupervisor, type Supervisor } from "../../lifecycle/supervisor.js";
import type { ApiClient } from "../api-client.js";
import { runShape } from "../api-shapes.js";
import { applyManifests } from "../apply-manifests.js";
import { EXIT, type ExitCode } from "../cli-error.js";
import { addressFile, connectToApi, tokenFile } from "../connect.js";
import { followRun } from "../follow-run.js";
import { type Example, listExampleFolders, loadExample } from "../load-example.js";
import { loadManifests } from "../load-manifests.js";
import type { Output } from "../output.js";
import type { CommandContext } from "../program.js";
import { renderStartScreen } from "../start-screen.js";
import { saveArtifacts } from "../save-artifacts.js";
import { printOutcome } from "./runs.js";
import { type Role, stopLimitMs } from "./serve.js";

interface UpOptions {
  readonly run?: string;
  readonly examples: boolean;
}

/** Order of stopping: nothing new is started, then work drains, then the door closes, then the database goes. */
const STOP_ORDER: readonly Role[] = ["scheduler", "worker", "api"];

/** `headrace up`: everything on this machine, until Ctrl-C; with `--run`, until that example's run has ended. */
export async function runUp(options: UpOptions, { output }: CommandContext): Promise<ExitCode> {
  const example = options.run === undefined ? undefined : loadExample(options.run);
  const settings = loadSettings();
  const closing: (() => Promise<void>)[] = [];
  const interruption = listenForInterruption(output);
  try {
    const work = bringUp({
      settings,
      output,
      closing,
      example,
      withExamples: options.examples,
      interruption,
    });
    return await Promise.race([work, interruption.requested.then(() => (example ? EXIT.failed : EXIT.ok))]);
  } finally {
    for (const close of closing.reverse()) await close();
    interruption.dispose();
  }
}

interface Task {
  readonly settings: Settings;
  readonly output: Output;
  /** What was opened closes itself through this, in the mirror order. */
  readonly closing: (() => Promise<void>)[];
  readonly example: Example | undefined;
  readonly withExamples: boolean;
  readonly interruption: Interruption;
}

async function bringUp(task: Task): Promise<ExitCode> {
  const { settings, output, closing } = task;
  const say = (text: string): void => output.warn(text);
  const lock = acquireInstanceLock(settings.DATA_DIR);
  closing.push(async () => lock.release());
  await assertPortIsFree(settings);
  const database = await openOwnDatabase(task, {
    info: () => undefined,
    warn: (_: object, text) => say(text),
  });
  const token = tokenFile(settings.DATA_DIR);
  const prepared = await prepareInstallation(Object.freeze({ ...settings, DATABASE_URL: database.url }), {
    tokenFile: token,
  });
  const logFolder = join(settings.DATA_DIR, "logs");
  const supervisor = createSupervisor({
    program: fileURLToPath(new URL("../main.js", import.meta.url)),
    logFolder: resolve(logFolder),
    onNotice: say,
  });
  closing.push(async () => await stopAll(supervisor, task));
  task.interruption.onSecond(() => supervisor.killAll());
  const url = await startAll(supervisor, settings);
  const address = addressFile(settings.DATA_DIR);
  writeFileSync(address, JSON.stringify({ url, pid: process.pid }), { mode: 0o600 });
  closing.push(async () => rmSync(address, { force: true }));
  const api = connectToApi({
    ...settings,
    HEADRACE_URL: undefined,
    HEADRACE_TOKEN: undefined,
    NO_COLOR: undefined,
  });
  if (task.withExamples) await registerExamples(api, output);
  if (task.example) return await runExample(api, task.example, task);
  output.say(await describeStart({ api, settings, prepared, database, logFolder, url }));
  if (output.isJson) output.result({ url, tokenFile: token }, "");
  await task.interruption.requested;
  return EXIT.ok;
}

interface OwnDatabase {
  readonly url: string;
  readonly description: string;
}

async function openOwnDatabase(task: Task, logger: LifecycleLogger): Promise<OwnDatabase> {
  const { settings, closing, output } = task;
  if (settings.DATABASE_URL !== undefined) {
    return {
      url: settings.DATABASE_URL,
      description: `PostgreSQL at ${new URL(settings.DATABASE_URL).host}`,
    };
  }
  let isStopping = false;
  let server: EmbeddedPostgres = await startEmbeddedPostgres({ dataDir: settings.DATA_DIR, logger });
  const keepRunning = async (): Promise<void> => {
    await server.ended;
    while (!isStopping) {
      output.warn("PostgreSQL ended; starting it again.");
      try {
        // its port is remembered, so the processes find it where it was
        server = await startEmbeddedPostgres({ dataDir: settings.DATA_DIR, logger });
        await server.ended;
      } catch (error) {
        output.warn((error as Error).message);
        await sleep(5000);
      }
    }
  };
  void keepRunning();
  closing.push(async () => {
    isStopping = true;
    await server.stop();
  });
  return { url: server.url, description: `embedded PostgreSQL ${server.version} in ${server.folder}` };
}

async function startAll(supervisor: Supervisor, settings: Settings): Promise<string> {
  const spec = (role: Role) => ({ name: role, args: [role], stopLimitMs: stopLimitMs(role, settings) });
  // the API first: it is what a person waits for, and it says when the port is taken
  const address = await supervisor.start(spec("api"));
  await Promise.all([supervisor.start(spec("worker")), supervisor.start(spec("scheduler"))]);
  return (address ?? `http://${settings.HOST}:${settings.PORT}`).replace(/\/$/, "");
}

async function stopAll(supervisor: Supervisor, task: Task): Promise<void> {
  if (!task.example) task.output.say("Stopping …");
  for (const role of STOP_ORDER) await supervisor.stop(role);
}

async function registerExamples(api: ApiClient, output: Output): Promise<void> {
  for (const folder of listExampleFolders()) {
    try {
      await applyManifests(api, loadManifests(folder));
    } catch (error) {
      // an edited example must not keep the platform from starting
      output.warn(`The example ${folder} was not registered: ${(error as Error).message}`);
    }
  }
}

async function runExample(api: ApiClient, example: Example, { output, settings }: Task): Promise<ExitCode> {
  await applyManifests(api, loadManifests(example.folder));
  const started = await api.call("POST", "/api/v1/workflow-runs", runShape, {
    body: { workflow: example.workflow, input: example.input },
  });
  const run = await followRun(api, started.id, output);
  const saved = await saveArtifacts(api, run.id, join(settings.DATA_DIR, "results", run.id));
  await printOutcome(api, run, { output }, saved);
  return run.status === "succeeded" ? EXIT.ok : EXIT.failed;
}

const healthShape = z.looseObject({
  sandbox: z
    .looseObject({ level: z.string().nullable(), reasons: z.array(z.string()).default([]) })
    .optional(),
});

async function describeStart(from: {
  api: ApiClient;
  settings: Settings;
  prepared: PreparedInstallation;
  database: OwnDatabase;
  logFolder: string;
  url: string;
}): Promise<string> {
  const { api, settings, prepared } = from;
  const health = await api.find("/api/v1/dashboard/system-health", healthShape);
  const [first] = listExampleFolders();
  return renderStartScreen({
    url: from.url,
    settings,
    adminEmail: prepared.adminEmail,
    passwordFile: prepared.passwordFile,
    tokenFile: tokenFile(settings.DATA_DIR),
    logFolder: from.logFolder,
    database: from.database.description,
    sandbox: health?.sandbox?.level
      ? { level: health.sandbox.level, reasons: health.sandbox.reasons }
      : undefined,
    exampleWorkflow: first === undefined ? undefined : loadExample(first).workflow,
  });
}

interface Interruption {
  readonly requested: Promise<void>;
  /** What to do when a person asks a second time. */
  onSecond(act: () => void): void;
  dispose(): void;
}

function listenForInterruption(output: Output): Interruption {
  let count = 0;
  let onSecond: () => void = () => undefined;
  let resolveFirst: () => void = () => undefined;
  const requested = new Promise<void>((done) => (resolveFirst = done));
  const listener = (): void => {
    count += 1;
    if (count === 1) resolveFirst();
    else {
      output.warn("Killing what still runs.");
      onSecond();
    }
  };
  process.on("SIGINT", listener).on("SIGTERM", listener).on("SIGHUP", listener);
  return {
    requested,
    onSecond: (act) => (onSecond = act),
    dispose: () => void process.off("SIGINT", listener).off("SIGTERM", listener).off("SIGHUP", listener),
  };
}
