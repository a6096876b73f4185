import { startApi } from "../../src/api.js";
import type { Platform } from "../../src/container.js";
import { newId } from "../../src/core/ids.js";
import { createAuthServices } from "../../src/services/auth/auth-services.js";
import { openSession } from "../../src/services/auth/sessions.js";
import type { AppHost, ExecutionApps } from "../../workers/apps/app-host.js";
import type { AppExecution } from "../../workers/apps/live-app.js";
import { createSecretMask } from "../../workers/execution/secret-mask.js";
import { startWorker, type Worker } from "../../workers/worker.js";
import { sendRequest, type TestRequest, type TestResponse } from "./http-client.js";
import { eventually } from "./eventually.js";
import { openTestPlatform } from "./open-test-platform.js";

/** A person who is signed in. */
export interface Person {
  readonly token: string;
  readonly sessionId: string;
}

/** An API and a worker on a database of their own. */
export interface AppHarness {
  readonly platform: Platform;
  readonly port: number;
  readonly url: string;
  readonly worker: Worker;
  readonly people: Readonly<Record<"viewer" | "operator" | "editor", Person>>;
  /** Sends a request as an editor, or with the token that it names; null: with none. */
  request(request: Omit<TestRequest, "token"> & { readonly token?: string | null }): Promise<TestResponse>;
  /** Saves a component and a workflow whose one step runs it, and starts it. */
  startApp(config: object, more?: StartOptions): Promise<string>;
  close(): Promise<void>;
}

/** How a run of {@link AppHarness.startApp} differs. */
export interface StartOptions {
  readonly step?: object;
  readonly inputs?: object;
  readonly version?: object;
}

/** Starts everything. */
export async function openAppHarness(environment: Readonly<Record<string, string>>): Promise<AppHarness> {
  const { platform, close } = await openTestPlatform(environment);
  const api = await startApi(platform);
  const worker = await startWorker(platform, { groups: ["default"], concurrency: 2, version: "test" });
  const people = {
    viewer: await addPerson(platform, "viewer"),
    operator: await addPerson(platform, "operator"),
    editor: await addPerson(platform, "editor"),
  };
  const port = Number(new URL(api.address).port);
  const request: AppHarness["request"] = async ({ token = people.editor.token, ...rest }) =>
    await sendRequest(port, { ...rest, ...(token === null ? {} : { token }) });
  return {
    ...{ platform, port, worker, people, request, url: api.address },
    startApp: async (config, more = {}) => await startApp(request, config, more),
    async close() {
      await worker.close(0);
      await api.close();
      await close();
    },
  };
}

/**
 * An execution that may start apps, of a run that waits for time: an app belongs to a run, whatever has started it.
 * With `waitForSubmit` the run's step waits for what the app sends back.
 */
export async function startExecution(
  { request, platform }: AppHarness,
  host: AppHost,
  more: Partial<AppExecution> = {},
): Promise<ExecutionApps> {
  const name = `wf-${newId().slice(-12)}`;
  const steps = [{ id: "wait", uses: "builtin:wait", inputs: { seconds: { value: 600 } } }];
  await expectStatus(201, request, "/api/v1/workflow-definitions", { name, definition: { steps } });
  const { id } = await expectStatus(202, request, "/api/v1/workflow-runs", { workflow: name });
  const runId = String(id);
  const row = await platform.knex("workflow_runs").where("id", runId).first("workflow_version_id");
  const token = newId();
  if (more.waitForSubmit) {
    const steps = () => platform.knex("step_runs").where({ run_id: runId, status: "waiting" });
    await eventually("the step waits", async () => (await steps().update({ lease_token: token })) === 1);
  }
  return host.for({
    ...{ runId, versionId: String(row.workflow_version_id), stepId: "wait", stepIndex: 0, itemIndex: -1 },
    ...{ attempt: 1, token, name: "echo", mcpVersionId: newId(), outputSchema: null },
    waitForSubmit: false,
    emit: { log: () => undefined, progress: () => undefined, token: () => undefined },
    mask: createSecretMask([]),
    ...more,
  });
}

async function addPerson(platform: Platform, role: string): Promise<Person> {
  const { knex, audit, keys } = platform;
  const auth = createAuthServices({ knex, audit, keys });
  const id = newId();
  const password = "correct horse battery";
  const email = `${role}@example.com`;
  await knex("users").insert({
    ...{ id, email, name: role, role },
    password_hash: await auth.passwords.hash(password),
  });
  const { sessionId } = await openSession(knex, id, null);
  return { sessionId, token: auth.accessTokens.issue({ userId: id, sessionId }).accessToken };
}

let count = 0;

async function startApp(
  request: AppHarness["request"],
  config: object,
  { step = {}, inputs = {}, version = {} }: StartOptions,
): Promise<string> {
  count += 1;
  const name = `app-${count}`;
  await expectStatus(201, request, "/api/v1/mcp-definitions", {
    name,
    mcpType: "streamlit_app",
    version: { version: "1.0.0", config: { type: "streamlit_app", ...config }, ...version },
  });
  const mappings = Object.fromEntries(Object.entries(inputs).map(([key, value]) => [key, { value }]));
  await expectStatus(201, request, "/api/v1/workflow-definitions", {
    name,
    definition: { steps: [{ id: "review", uses: `mcp:${name}`, inputs: mappings, ...step }] },
  });
  const run = await expectStatus(202, request, "/api/v1/workflow-runs", { workflow: name });
  return String(run["id"]);
}

async function expectStatus(
  status: number,
  request: AppHarness["request"],
  path: string,
  body: object,
): Promise<Record<string, unknown>> {
  const answer = await request({ method: "POST", path, body });
  if (answer.status !== status) throw new Error(`${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
  return answer.body as Record<string, unknown>;
}
