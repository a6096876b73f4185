import { z } from "zod";
import { EXIT, type ExitCode } from "../cli-error.js";
import { connectToApi } from "../connect.js";
import { toPlainText } from "../output.js";
import type { CommandContext } from "../program.js";

const answerShape = z.looseObject({
  suggestions: z.array(
    z.looseObject({
      title: z.string(),
      detail: z.string(),
      severity: z.string(),
      source: z.string(),
      patch: z.array(z.unknown()).optional(),
      reviewReasons: z.array(z.string()).optional(),
      evidence: z.looseObject({ quotes: z.array(z.string()).optional() }).optional(),
    }),
  ),
  modelOutcome: z.looseObject({ state: z.string(), detail: z.string() }),
});

type Suggestion = z.infer<typeof answerShape>["suggestions"][number];

/** A model may take its time. */
const WAIT_MS = 200_000;

/** `headrace diagnose`: prints what the copilot says of a run. It applies nothing. */
export async function diagnoseRun(
  runId: string,
  options: { readonly model: boolean },
  { output }: CommandContext,
): Promise<ExitCode> {
  const answer = await connectToApi().call("POST", "/api/v1/copilot/diagnose", answerShape, {
    body: { runId, useModel: options.model },
    timeoutMs: WAIT_MS,
  });
  const lines = [...answer.suggestions.flatMap(describe), answer.modelOutcome.detail];
  output.result(answer, lines.map(toPlainText).join("\n"));
  return EXIT.ok;
}

function describe({
  title,
  detail,
  severity,
  source,
  patch,
  reviewReasons = [],
  evidence,
}: Suggestion): string[] {
  return [
    `${severity.toUpperCase()}  ${title}${source === "model" ? "  (by a model)" : ""}`,
    `  ${detail}`,
    ...(evidence?.quotes ?? []).map((quote) => `  > ${quote}`),
    ...(patch ? [`  patch: ${JSON.stringify(patch)}`] : []),
    ...reviewReasons.map((reason) => `  look at it first: it ${reason}`),
    "",
  ];
}
