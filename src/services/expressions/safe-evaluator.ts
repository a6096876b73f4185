import type { JsonValue } from "../../core/json.js";
import type { FieldFault } from "../../errors/app-error.js";
import {
  EvaluationError,
  type ExpressionFacts,
  type SafeEvaluator,
  type TemplateFacts,
} from "../evaluation-types.js";
import { createBatchInspector } from "./batch-inspector.js";
import { type EvaluationJob, type EvaluationProcess, startEvaluationProcess } from "./evaluation-process.js";

/** Processes at most; two, so that one bomb leaves a lane for everybody else. */
const MAX_PROCESSES = 2;
const DEFAULT_TIMEOUT_MS = 1000;
/** How much longer than JSONata's own guard the hard deadline waits. */
const GRACE_MS = 100;
/** A job that waited this long for a process is refused: every wait has a limit. */
const MAX_QUEUED_MS = 15_000;

interface QueuedJob {
  readonly job: EvaluationJob;
  readonly deadlineMs: number;
  readonly queuedAt: number;
  resolve(value: unknown): void;
  reject(error: Error): void;
}

/**
 * Makes the evaluator: up to two warm child processes, the first started with the first job. A job that overruns its
 * time or memory costs its process, which is replaced; other jobs wait at most that long. `close()` ends all.
 */
export function createSafeEvaluator(): SafeEvaluator {
  const submit = createPool();

  const inspectExpressions = createBatchInspector(
    async (texts, deadlineMs, names) =>
      (await submit.run({ kind: "inspectExpressions", texts, names }, deadlineMs)) as ExpressionFacts[],
    MAX_PROCESSES,
  );

  return {
    inspectExpressions,
    async evaluate(expression, bindings, timeoutMs = DEFAULT_TIMEOUT_MS) {
      const json = await submit.run(
        { kind: "evaluate", text: expression, bindings, timeoutMs },
        timeoutMs + GRACE_MS,
      );
      return json === undefined ? undefined : (JSON.parse(json as string) as JsonValue);
    },
    async validate(schema, value, timeoutMs = DEFAULT_TIMEOUT_MS) {
      const job = { kind: "validate", schemaText: toText(schema), value } as const;
      const check = submit.run(job, timeoutMs) as Promise<FieldFault[]>;
      return await orFault(check, "cannot be checked against its schema: ");
    },
    async inspectExpression(expression) {
      const [facts] = await inspectExpressions([expression]);
      return facts ?? { stepIds: [], rootNames: [] };
    },
    async inspectSchema(schema) {
      const job = { kind: "inspectSchema", schemaText: toText(schema) } as const;
      return await orFault(submit.run(job, DEFAULT_TIMEOUT_MS) as Promise<FieldFault[]>);
    },
    async renderTemplate(template, variables, timeoutMs = DEFAULT_TIMEOUT_MS) {
      const job = { kind: "renderTemplate", text: template, bindings: variables } as const;
      return (await submit.run(job, timeoutMs)) as string;
    },
    async inspectTemplate(template) {
      try {
        const job = { kind: "inspectTemplate", text: template } as const;
        return (await submit.run(job, DEFAULT_TIMEOUT_MS)) as TemplateFacts;
      } catch (error) {
        if (!(error instanceof EvaluationError)) throw error;
        return { error: error.message, variables: [] };
      }
    },
    close: () => submit.close(),
  };
}

/** What overran its limits is the author's to mend, like any other fault. */
async function orFault(check: Promise<FieldFault[]>, prefix = ""): Promise<FieldFault[]> {
  try {
    return await check;
  } catch (error) {
    if (!(error instanceof EvaluationError)) throw error;
    return [{ path: "", message: prefix + error.message }];
  }
}

function toText(schema: JsonValue): string {
  try {
    return JSON.stringify(schema);
  } catch (error) {
    throw new EvaluationError("is nested too deeply", { cause: error });
  }
}

function createPool() {
  const queue: QueuedJob[] = [];
  const idle: EvaluationProcess[] = [];
  const lanes = new Set<EvaluationProcess>();
  let isClosed = false;

  function takeLane(): EvaluationProcess | undefined {
    for (let lane = idle.pop(); lane; lane = idle.pop()) {
      if (!lane.isDead) return lane;
      lanes.delete(lane);
    }
    if (lanes.size >= MAX_PROCESSES) return undefined;
    return startLane();
  }

  function startLane(): EvaluationProcess {
    const lane = startEvaluationProcess();
    lanes.add(lane);
    return lane;
  }

  async function work(lane: EvaluationProcess, queued: QueuedJob): Promise<void> {
    try {
      queued.resolve(await lane.run(queued.job, queued.deadlineMs));
    } catch (error) {
      queued.reject(error as Error);
    }
    if (lane.isDead) lanes.delete(lane);
    // a killed one is replaced at once, so that the next job finds it warm
    if (!isClosed) idle.push(lane.isDead ? startLane() : lane);
    pump();
  }

  function pump(): void {
    while (queue.length > 0 && !isClosed) {
      const lane = takeLane();
      if (!lane) return;
      const queued = queue.shift();
      if (!queued) idle.push(lane);
      else if (Date.now() - queued.queuedAt > MAX_QUEUED_MS) {
        idle.push(lane);
        queued.reject(
          new EvaluationError("could not be evaluated in time: too many evaluations are waiting"),
        );
      } else void work(lane, queued);
    }
  }

  return {
    async run(job: EvaluationJob, deadlineMs: number): Promise<unknown> {
      if (isClosed) throw new EvaluationError("the evaluator is closed");
      return await new Promise((resolve, reject) => {
        queue.push({ job, deadlineMs, queuedAt: Date.now(), resolve, reject });
        pump();
      });
    },
    async close(): Promise<void> {
      isClosed = true;
      for (const queued of queue.splice(0)) queued.reject(new EvaluationError("the evaluator is closed"));
      await Promise.all([...lanes].map((lane) => lane.end()));
      lanes.clear();
    },
  };
}
