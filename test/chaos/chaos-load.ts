import { setTimeout as sleep } from "node:timers/promises";
import type { Random } from "../simulation/random.js";
import type { ChaosClient } from "./chaos-client.js";
import { ChaosFollower } from "./chaos-follower.js";
import type { ChaosInstallation } from "./chaos-installation.js";
import { type ChaosWorkflow, SCRIPT_CODE, SCRIPT_COMPONENT } from "./chaos-workflows.js";

/** A run that the suite has asked for. */
export interface StartedRun {
  /** Its label `chaos`: unique, however often the start was asked for. */
  readonly number: number;
  readonly workflow: ChaosWorkflow;
  /** Undefined: nobody ever answered. */
  runId: string | undefined;
  isCanceled: boolean;
}

/** A rerun that was asked for once; its answer may have been lost. */
export interface AskedRerun {
  readonly ofRunId: string;
  readonly runId: string | undefined;
}

const MOST_OPEN = 80;
const RUNS = "/api/v1/workflow-runs";

/** People and their programs: start runs, cancel, decide, rerun and follow them, all through the API. */
export class ChaosLoad {
  readonly started: StartedRun[] = [];
  readonly reruns: AskedRerun[] = [];
  readonly followers: ChaosFollower[] = [];
  readonly rejected = new Set<string>();
  readonly #installation: ChaosInstallation;
  readonly #client: ChaosClient;
  readonly #random: Random;
  readonly #workflows: readonly ChaosWorkflow[];
  readonly #underWay = new Set<Promise<void>>();
  #isOver = false;
  #open = 0;

  constructor(parts: {
    installation: ChaosInstallation;
    client: ChaosClient;
    random: Random;
    workflows: readonly ChaosWorkflow[];
  }) {
    this.#installation = parts.installation;
    this.#client = parts.client;
    this.#random = parts.random;
    this.#workflows = parts.workflows;
  }

  /** Signs in, and stores the component and the workflows. */
  async prepare(): Promise<void> {
    const client = this.#client;
    const login = await client.ask({
      method: "POST",
      path: "/api/v1/auth/login",
      body: this.#installation.admin,
    });
    client.token = login.body["accessToken"] as string;
    // a session's token lives for minutes: a key lasts
    const made = await this.#make("/api/v1/auth/api-keys", { name: "chaos" });
    client.token = made["key"] as string;
    const config = { type: "python_script", code: SCRIPT_CODE, timeoutSeconds: 60 };
    await this.#make("/api/v1/mcp-definitions", {
      name: SCRIPT_COMPONENT,
      mcpType: "python_script",
      version: { version: "1.0.0", config },
    });
    for (const { name, definition } of this.#workflows)
      await this.#make("/api/v1/workflow-definitions", { name, definition });
  }

  /** Starts so many runs, never more than a bound of them open; resolves when the last was started and all were asked. */
  async run(count: number): Promise<void> {
    const deciding = this.#repeat(500, () => this.#decideAll());
    const counting = this.#repeat(400, () => this.#countOpen());
    for (let number = 1; number <= count; number += 1) {
      while (this.#open >= MOST_OPEN) await sleep(50);
      this.#open += 1;
      this.#spawn(this.#start(number));
      await sleep(this.#random.int(20, 250));
    }
    while (this.#underWay.size > 0) await Promise.all(this.#underWay);
    this.#stop = async () => {
      this.#isOver = true;
      await Promise.all([deciding, counting]);
    };
  }

  /** Nobody decides or follows any more. */
  async end(): Promise<void> {
    await this.#stop();
  }

  #stop: () => Promise<void> = async () => undefined;

  #spawn(task: Promise<void>): void {
    const done = task
      .catch((error: unknown) => console.error(String(error)))
      .finally(() => this.#underWay.delete(done));
    this.#underWay.add(done);
  }

  async #make(path: string, body: object): Promise<{ readonly [name: string]: unknown }> {
    const answer = await this.#client.ask({ method: "POST", path, body });
    if (answer.status !== 201) throw new Error(`${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
    return answer.body;
  }

  async #start(number: number): Promise<void> {
    const random = this.#random;
    const name = random.weighted(
      Object.fromEntries(this.#workflows.map(({ name, weight }) => [name, weight])),
    );
    const workflow = this.#workflows.find((one) => one.name === name) as ChaosWorkflow;
    const run: StartedRun = { number, workflow, runId: undefined, isCanceled: false };
    this.started.push(run);
    const [isFollowed, isCanceled, isRerun] = [random.chance(0.2), random.chance(0.08), random.chance(0.3)];
    const cancelAfterMs = random.int(0, 3000);
    const body = {
      workflow: workflow.name,
      input: workflow.drawInput(random),
      labels: { chaos: String(number) },
      ...(random.chance(0.1) ? { priority: random.int(-5, 5) } : {}),
      ...(random.chance(0.05) ? { delaySeconds: random.int(1, 3) } : {}),
    };
    const headers = { "idempotency-key": `chaos-${number}` };
    const answer = await this.#client.ask({ method: "POST", path: RUNS, body, headers });
    if (answer.status !== 202 && answer.status !== 200)
      throw new Error(`start ${number}: ${answer.status} ${JSON.stringify(answer.body)}`);
    run.runId = answer.body["id"] as string;
    if (isFollowed) this.#follow(run.runId);
    if (isCanceled) this.#spawn(this.#cancel(run, cancelAfterMs));
    if (isRerun && workflow.expected === "failed") this.#spawn(this.#rerun(run.runId));
  }

  #follow(runId: string): void {
    const follower = new ChaosFollower(
      this.#installation.address,
      this.#client.token ?? "",
      runId,
      this.#random,
    );
    this.followers.push(follower);
    void follower.run();
  }

  async #cancel(run: StartedRun, afterMs: number): Promise<void> {
    await sleep(afterMs);
    run.isCanceled = true;
    await this.#client.ask({ method: "POST", path: `${RUNS}/${run.runId}/cancel` });
  }

  /** Once the run has ended. Asked once: a rerun has no idempotency key. */
  async #rerun(runId: string): Promise<void> {
    for (let looks = 0; looks < 60; looks += 1) {
      const { body } = await this.#client.ask({ path: `${RUNS}/${runId}` });
      if (body["finishedAt"] !== null) break;
      await sleep(1000);
    }
    const answer = await this.#client.ask({
      method: "POST",
      path: `${RUNS}/${runId}/rerun`,
      body: {},
      isOnce: true,
    });
    const newRunId = answer.status === 202 ? (answer.body["id"] as string) : undefined;
    // 409: it was canceled, or has not ended
    if (answer.status === 202 || answer.status === 0 || answer.status >= 500)
      this.reruns.push({ ofRunId: runId, runId: newRunId });
  }

  async #decideAll(): Promise<void> {
    const rows = await this.#installation.query<{ run_id: string; step_id: string }>(
      "SELECT run_id, step_id FROM step_runs WHERE status = 'waiting' AND approval IS NOT NULL LIMIT 50",
    );
    for (const { run_id, step_id } of rows) {
      const verb = this.#random.chance(0.85) ? "approve" : "reject";
      if (verb === "reject") this.rejected.add(run_id);
      const path = `${RUNS}/${run_id}/steps/${step_id}/${verb}`;
      await this.#client.ask({ method: "POST", path, body: { comment: "chaos" } });
    }
  }

  async #countOpen(): Promise<void> {
    const [row] = await this.#installation.query<{ open: number }>(
      "SELECT count(*)::int AS open FROM workflow_runs WHERE finished_at IS NULL AND parent_run_id IS NULL",
    );
    this.#open = row?.open ?? 0;
  }

  async #repeat(everyMs: number, work: () => Promise<void>): Promise<void> {
    while (!this.#isOver) {
      await work().catch((error: unknown) => console.error(String(error)));
      await sleep(everyMs);
    }
  }
}
