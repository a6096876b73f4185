import { z } from "zod";
import { RUN_STATUSES } from "../../core/statuses.js";
import type { JsonValue } from "../../core/json.js";
import { isRunTerminal } from "../../core/statuses.js";
import type { RunQueries } from "../../services/runs/run-queries.js";
import { type FollowDeps, followRunCall } from "./follow-run-call.js";
import { defineTool, type McpTool, READS, ToolAnswer } from "./mcp-tool.js";
import { ARTIFACT_URI, toUnfinishedResult } from "./tool-results.js";

const runId = z.uuid().describe("Id of a run.");
const limit = z.int().min(1).max(200).default(20);
const cursor = z.string().max(512).optional().describe("nextCursor of the answer before.");

/** The tools that start, follow and end runs, and that look into them. */
export function runTools(deps: FollowDeps): McpTool[] {
  return [...listingTools(deps.queries), ...changingTools(deps), ...lookingTools(deps)];
}

function listingTools(queries: RunQueries): McpTool[] {
  return [
    defineTool({
      name: "list_runs",
      title: "List runs",
      description: "Runs, newest first, without their inputs and outputs.",
      permission: "run:read",
      annotations: READS,
      input: z.strictObject({
        workflow: z.string().max(200).optional().describe("Name or id of a workflow."),
        status: z.enum(RUN_STATUSES).optional(),
        limit,
        cursor,
      }),
      call: async ({ workflow, status, ...page }) =>
        await queries.list({ workflow, status, label: [] }, page),
    }),
    defineTool({
      name: "get_run",
      title: "Look at a run",
      description: "One run with its input, its output or error, and how many steps are in which state.",
      permission: "run:read",
      annotations: READS,
      input: z.strictObject({ runId }),
      call: async (input) => await queries.get(input.runId),
    }),
    defineTool({
      name: "read_logs",
      title: "Read a run's log",
      description: "Lines that the steps of a run have written, oldest first.",
      permission: "run:read",
      annotations: READS,
      input: z.strictObject({
        runId,
        stepId: z.string().max(200).optional(),
        stream: z.enum(["stdout", "stderr", "system"]).optional(),
        limit: z.int().min(1).max(200).default(100),
        cursor,
      }),
      async call({ runId: id, stepId, stream, ...page }) {
        await queries.assertExists(id);
        return await queries.logs(id, { stepId, stream }, page);
      },
    }),
  ];
}

function changingTools(deps: FollowDeps): McpTool[] {
  const { commands, queries } = deps;
  return [
    defineTool({
      name: "start_run",
      title: "Start a run",
      description: "Starts a run of any workflow and answers at once; follow_run waits for its end.",
      permission: "run:start",
      annotations: {
        readOnlyHint: false,
        destructiveHint: false,
        idempotentHint: false,
        openWorldHint: true,
      },
      input: z.strictObject({
        workflow: z.string().min(1).max(200).describe("Name or id of a workflow."),
        version: z.int().min(1).max(2_147_483_647).optional().describe("Default: the published one."),
        input: z.unknown().optional().describe("By the workflow's own schema of inputs; default: {}."),
        idempotencyKey: z
          .string()
          .regex(/^[\x20-\x7e]{1,255}$/)
          .optional()
          .describe("The same key starts the same run once in 24 hours."),
      }),
      async call({ workflow, version, input = {}, idempotencyKey }, { actor, origin }) {
        const command = {
          workflow,
          version,
          input: input as JsonValue,
          idempotencyKey,
          trigger: "mcp" as const,
        };
        const started = await commands.start(command, actor, origin);
        return await queries.get(started.runId);
      },
    }),
    defineTool({
      name: "cancel_run",
      title: "Cancel a run",
      description: "Ends a run: steps that are running are killed.",
      permission: "run:cancel",
      annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: true, openWorldHint: false },
      input: z.strictObject({ runId }),
      async call(input, { actor, origin }) {
        await commands.cancel(input.runId, actor, origin);
        return await queries.get(input.runId);
      },
    }),
    approvalTool(deps),
  ];
}

function approvalTool({ commands, queries }: FollowDeps): McpTool {
  return defineTool({
    name: "decide_approval",
    title: "Approve or reject a step",
    description: "Decides for a step that waits for approval. Ask the person whom you work for first.",
    permission: "run:approve",
    annotations: {
      readOnlyHint: false,
      destructiveHint: true,
      idempotentHint: false,
      openWorldHint: false,
    },
    input: z.strictObject({
      runId,
      stepId: z.string().min(1).max(200),
      decision: z.enum(["approve", "reject"]),
      comment: z.string().max(2000).optional(),
      values: z.record(z.string(), z.json()).optional().describe("By the form of the approval."),
      itemIndex: z.int().min(0).optional().describe("Which item of a forEach."),
    }),
    async call({ runId: id, stepId, ...decision }, { actor, origin }) {
      await commands.decide(id, stepId, decision, actor, origin);
      return await queries.get(id);
    },
  });
}

function lookingTools(deps: FollowDeps): McpTool[] {
  return [
    defineTool({
      name: "follow_run",
      title: "Wait for a run",
      description:
        "Waits until a run has ended, with progress on the way, and answers it. Cancelling the call leaves the run alone.",
      permission: "run:read",
      annotations: READS,
      input: z.strictObject({ runId }),
      async call(input, call) {
        const run = await followRunCall(deps, input.runId, call, { cancelsRun: false });
        return isRunTerminal(run.status) ? run : new ToolAnswer(toUnfinishedResult(run));
      },
    }),
    defineTool({
      name: "diagnose_run",
      title: "Find out why a run failed or waits",
      description:
        "The facts of a run in one answer: its error, each step that failed or waits and why, and their last log lines.",
      permission: "run:read",
      annotations: READS,
      input: z.strictObject({ runId }),
      call: async (input) => await diagnose(deps.queries, input.runId),
    }),
    defineTool({
      name: "list_artifacts",
      title: "List a run's files",
      description: "The files that the steps of a run have left; read_artifact reads one.",
      permission: "run:read",
      annotations: READS,
      input: z.strictObject({ runId }),
      async call(input) {
        const { items } = await deps.queries.steps(input.runId, { limit: 10_000 });
        const files = items.flatMap((step) =>
          step.artifacts.map((file) => ({ stepId: step.stepId, ...file, uri: ARTIFACT_URI + file.id })),
        );
        return { items: files };
      },
    }),
  ];
}

const TROUBLED = new Set(["failed", "waiting", "canceled"]);
const MOST_STEPS = 20;
const LAST_LINES = 20;
const MOST_PAGES = 25;

async function diagnose(queries: RunQueries, id: string): Promise<unknown> {
  const run = await queries.get(id);
  const { items } = await queries.steps(id, { limit: 10_000 });
  const isOpen = !isRunTerminal(run.status);
  const troubled = items.filter(
    (step) => TROUBLED.has(step.status) || (isOpen && step.waitingFor !== undefined),
  );
  const steps = troubled.slice(0, MOST_STEPS).map(async (step) => ({
    stepId: step.stepId,
    itemIndex: step.itemIndex,
    status: step.status,
    attempt: step.attempt,
    error: step.error,
    waitingFor: step.waitingFor,
    lastLines: step.status === "failed" ? await readLastLines(queries, id, step.stepId) : [],
  }));
  return {
    run: {
      id: run.id,
      workflow: run.workflow,
      status: run.status,
      error: run.error,
      stepCounts: run.stepCounts,
    },
    steps: await Promise.all(steps),
    moreSteps: Math.max(0, troubled.length - MOST_STEPS),
  };
}

/** The log is read from its beginning; of a very long one the end of what was read. */
async function readLastLines(queries: RunQueries, id: string, stepId: string): Promise<string[]> {
  let lines: string[] = [];
  let cursorOfPage: string | undefined;
  for (let page = 0; page < MOST_PAGES; page += 1) {
    const { items, nextCursor } = await queries.logs(id, { stepId }, { limit: 200, cursor: cursorOfPage });
    lines = [...lines, ...items.map((line) => `${line.stream}: ${line.message}`)].slice(-LAST_LINES);
    if (nextCursor === null) break;
    cursorOfPage = nextCursor;
  }
  return lines;
}
