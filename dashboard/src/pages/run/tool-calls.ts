import type { FeedProgress } from "./run-feed.js";

/** One call of a tool by a model. */
export interface ToolCall {
  readonly tool: string;
  readonly given: unknown;
  readonly result: unknown;
  readonly error: unknown;
  readonly durationMs: number | undefined;
}

/** The calls of a step in order: from its output once it has one, else from what its newest attempt has told so far. */
export function toToolCalls(
  made: unknown,
  progress: readonly FeedProgress[],
  step: { readonly stepId: string; readonly itemIndex?: number | undefined; readonly attempt: number },
): ToolCall[] {
  if (Array.isArray(made)) return made.map(toToolCall);
  return progress
    .filter(
      ({ stepId, itemIndex, attempt, data }) =>
        stepId === step.stepId &&
        itemIndex === step.itemIndex &&
        attempt === step.attempt &&
        typeof data["tool"] === "string",
    )
    .map(({ data }) => toToolCall(data));
}

function toToolCall(call: unknown): ToolCall {
  const {
    tool,
    name,
    packageTool,
    arguments: given,
    result,
    error,
    durationMs,
  } = call as Record<string, unknown>;
  const reference = String(tool ?? name ?? "tool");
  return {
    tool: packageTool === undefined ? reference : `${reference} · ${String(packageTool)}`,
    given: given ?? {},
    result,
    error,
    durationMs: typeof durationMs === "number" ? durationMs : undefined,
  };
}
