import type { CallToolResult } from "@modelcontextprotocol/sdk/types.js";
import type { Run } from "../../contracts/api/runs.js";
import { isJsonObject, type JsonObject, type JsonValue } from "../../core/json.js";
import type { AppError } from "../../errors/app-error.js";

/** A model reads what it is answered: more than this only costs. */
const MOST_CHARACTERS = 100_000;

/** A value as an answer: as JSON for those who read, and as it is for programs; too long, it is cut. */
export function toResult(value: unknown): CallToolResult {
  const text = JSON.stringify(value, undefined, 2) ?? "null";
  if (text.length > MOST_CHARACTERS) {
    const left = text.length - MOST_CHARACTERS;
    return textResult(`${text.slice(0, MOST_CHARACTERS)}\n… ${left} more characters: ask for less at a time`);
  }
  const structured = isJsonObject(value) ? { structuredContent: value } : {};
  return { content: [{ type: "text", text }], ...structured };
}

/** Plain words. */
export function textResult(text: string, isError = false): CallToolResult {
  return { content: [{ type: "text", text }], ...(isError ? { isError } : {}) };
}

/** Why a call was refused or has failed, with every fault. */
export function toErrorResult(error: AppError): CallToolResult {
  const faults = error.faults.map(({ path, message }) => `- ${path || "(the whole)"}: ${message}`);
  return textResult([`${error.entry.title}: ${error.detail}`, ...faults].join("\n"), true);
}

/** Where a resource of ours is read. */
export const ARTIFACT_URI = "headrace://artifacts/";
export const OUTPUT_URI = "headrace://runs/";

/** The end of a run as the answer of the tool that its workflow is. */
export function toRunResult(run: Run): CallToolResult {
  const _meta = { "headrace/runId": run.id, "headrace/status": run.status };
  if (run.status !== "succeeded") return { ...textResult(describeFailure(run), true), _meta };
  if (run.outputArtifact) {
    const { id, sizeBytes } = run.outputArtifact;
    return {
      content: [
        {
          type: "text",
          text: `Run ${run.id} succeeded. Its output has ${sizeBytes} bytes: read the resource.`,
        },
        {
          type: "resource_link",
          uri: ARTIFACT_URI + id,
          name: `output of run ${run.id}`,
          mimeType: "application/json",
          size: sizeBytes,
        },
      ],
      structuredContent: {},
      _meta,
    };
  }
  const output = run.output as JsonValue;
  const structuredContent: JsonObject = isJsonObject(output) ? output : {};
  const text = JSON.stringify(output, undefined, 2);
  if (text.length <= MOST_CHARACTERS) return { content: [{ type: "text", text }], structuredContent, _meta };
  const cut = `${text.slice(0, MOST_CHARACTERS)}\n… cut; the whole output is at the resource`;
  const link = {
    type: "resource_link",
    uri: `${OUTPUT_URI}${run.id}/output`,
    name: `output of run ${run.id}`,
  } as const;
  return { content: [{ type: "text", text: cut }, link], structuredContent: {}, _meta };
}

/** A run that has not ended when the answer is due. No failure: it goes on, and can be followed. */
export function toUnfinishedResult(run: Run): CallToolResult {
  const text =
    `Run ${run.id} of ${run.workflow.name} is ${run.status} and goes on. ` +
    `Call follow_run with this id to wait for its end, get_run to look at it, cancel_run to end it.`;
  return {
    content: [{ type: "text", text }],
    structuredContent: {},
    _meta: { "headrace/runId": run.id, "headrace/status": run.status },
  };
}

function describeFailure(run: Run): string {
  const { error } = run;
  const where = error?.stepId === undefined ? "" : ` in step ${error.stepId}`;
  const why = error ? `${where}: ${error.code}: ${error.message}` : "";
  return `Run ${run.id} of ${run.workflow.name} ${run.status === "failed" ? "failed" : `was ${run.status}`}${why}\nCall diagnose_run with this id for its last log lines.`;
}
