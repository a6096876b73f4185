import { EvaluationError, type ExpressionFacts } from "../evaluation-types.js";

/** Inspects a batch in one round trip. @throws EvaluationError when it takes longer than `deadlineMs`. */
export type InspectTexts = (
  texts: readonly string[],
  deadlineMs: number,
  names?: readonly string[],
) => Promise<ExpressionFacts[]>;

/** Small, so that even a busy machine gets through one in time: what overruns is taken for a program that hangs. */
const BATCH_SIZE = 100;
const BATCH_TIMEOUT_MS = 1000;

/**
 * Inspects any number of expressions, `concurrency` batches at a time; the jobs of others come in between. One
 * text that takes too long harms itself alone.
 */
export function createBatchInspector(
  inspect: InspectTexts,
  concurrency: number,
): (texts: readonly string[], names?: readonly string[]) => Promise<ExpressionFacts[]> {
  /** A batch that overruns is inspected one by one, for as long as patience lasts. */
  async function inspectBatch(
    texts: readonly string[],
    names: readonly string[] | undefined,
  ): Promise<ExpressionFacts[]> {
    try {
      return await inspect(texts, BATCH_TIMEOUT_MS, names);
    } catch (error) {
      if (!(error instanceof EvaluationError)) throw error;
      if (texts.length <= 1) return texts.map(() => ({ error: error.message, stepIds: [], rootNames: [] }));
    }
    const until = Date.now() + BATCH_TIMEOUT_MS;
    const facts: ExpressionFacts[] = [];
    for (const text of texts) {
      const isPatient = Date.now() < until;
      facts.push(
        ...(isPatient
          ? await inspectBatch([text], names)
          : [{ error: "could not be inspected in time", stepIds: [], rootNames: [] }]),
      );
    }
    return facts;
  }

  return async (texts, names) => {
    const batches: ExpressionFacts[][] = [];
    let next = 0;
    const inspectRest = async () => {
      while (next * BATCH_SIZE < texts.length) {
        const at = next;
        next += 1;
        batches[at] = await inspectBatch(texts.slice(at * BATCH_SIZE, (at + 1) * BATCH_SIZE), names);
      }
    };
    await Promise.all(Array.from({ length: concurrency }, inspectRest));
    return batches.flat();
  };
}
