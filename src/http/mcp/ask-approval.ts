import { ElicitResultSchema } from "@modelcontextprotocol/sdk/types.js";
import { isTerminalEvent } from "../../contracts/run-events.js";
import type { JsonObject, JsonValue } from "../../core/json.js";
import { isJsonObject } from "../../core/json.js";
import { AppError } from "../../errors/app-error.js";
import { canActor } from "../../services/access/assert-can.js";
import type { FollowDeps } from "./follow-run-call.js";
import type { ToolCall } from "./mcp-tool.js";

const ANSWER_MS = 300_000;
const LOOK_MS = 5000;
const SIMPLE_TYPES = new Set(["string", "number", "integer", "boolean"]);
const COMMENT = { type: "string", title: "Comment", maxLength: 2000 };
/** Unlikely to be a member of anybody's form. */
const COMMENT_NAME = "approval_comment";

/**
 * Asks the client for the first approval that the run waits for, and decides as it answers. Nothing happens when the
 * client cannot be asked, does not answer, or its person may not decide: then the approval waits for somebody else. When
 * somebody else decides, the question is taken back. `after` is the number of the run's last event that was seen.
 */
export async function askForApproval(
  deps: FollowDeps,
  { runId, after }: { readonly runId: string; readonly after: number },
  call: ToolCall,
): Promise<void> {
  const { actor, origin, extra } = call;
  if (call.session?.canElicit !== true || !canActor(actor, "run:approve")) return;
  const { items } = await deps.queries.steps(runId, { limit: 10_000 });
  for (const step of items) {
    const waiting = step.waitingFor?.find(({ reason }) => reason === "approval");
    if (!waiting) continue;
    const form = toForm(waiting.form);
    const message = waiting.message ?? `Step ${step.stepId} of run ${runId} needs approval.`;
    const over = new AbortController();
    void watchDecision(deps, { runId, after, ...step }, over).catch(() => over.abort());
    const answer = await ask(call, message, form, over.signal).finally(() => over.abort());
    if (!answer || answer.action === "cancel" || extra.signal.aborted) return;
    const { [COMMENT_NAME]: comment, ...values } = (answer.content ?? {}) as JsonObject;
    const decision = {
      decision: answer.action === "accept" ? ("approve" as const) : ("reject" as const),
      ...(typeof comment === "string" && comment !== "" ? { comment } : {}),
      ...(answer.action === "accept" && form.hasValues ? { values } : {}),
      ...(step.itemIndex === undefined ? {} : { itemIndex: step.itemIndex }),
    };
    try {
      await deps.commands.decide(runId, step.stepId, decision, actor, origin);
    } catch (error) {
      // somebody else was faster, or may decide and this person may not: the run tells
      if (!(error instanceof AppError)) throw error;
    }
    return;
  }
}

/** Aborts once something becomes of the step, or is aborted itself. */
async function watchDecision(
  { hub }: Pick<FollowDeps, "hub">,
  step: {
    readonly runId: string;
    readonly after: number;
    readonly stepId: string;
    readonly itemIndex?: number | undefined;
  },
  over: AbortController,
): Promise<void> {
  let { after } = step;
  while (!over.signal.aborted) {
    const events = await hub.readRunEvents(step.runId, after, LOOK_MS, over.signal);
    after = events.at(-1)?.seq ?? after;
    const isDecided = events.some(
      ({ type, stepId, itemIndex }) =>
        isTerminalEvent(type) ||
        (stepId === step.stepId && itemIndex === step.itemIndex && type !== "step.waiting"),
    );
    if (isDecided) over.abort();
  }
}

async function ask(call: ToolCall, message: string, { schema }: Form, signal: AbortSignal) {
  try {
    return await call.extra.sendRequest(
      { method: "elicitation/create", params: { message, requestedSchema: schema } },
      ElicitResultSchema,
      { timeout: ANSWER_MS, signal },
    );
  } catch {
    return undefined; // decided elsewhere, no answer in time, or the client could not ask after all
  }
}

interface Form {
  readonly schema: { type: "object"; properties: Record<string, never>; required?: string[] };
  readonly hasValues: boolean;
}

/** The protocol's forms are flat. A form that is not is left to the console: only a comment is asked for. */
function toForm(form: unknown): Form {
  const given = isJsonObject(form) && isJsonObject(form["properties"]) ? form["properties"] : {};
  const isFlat = Object.values(given).every(isSimple) && Object.keys(given).length > 0;
  const properties = { ...(isFlat ? given : {}), [COMMENT_NAME]: COMMENT };
  const required =
    isFlat && isJsonObject(form) && Array.isArray(form["required"]) ? form["required"].map(String) : [];
  return {
    schema: {
      type: "object",
      properties: properties as unknown as Record<string, never>,
      ...(required.length > 0 ? { required } : {}),
    },
    hasValues: isFlat,
  };
}

function isSimple(schema: JsonValue): boolean {
  return isJsonObject(schema) && typeof schema["type"] === "string" && SIMPLE_TYPES.has(schema["type"]);
}
