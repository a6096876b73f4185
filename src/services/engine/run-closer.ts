import { toStorableText } from "../../core/storable-text.js";
import type { Logger } from "../../observability/logger.js";
import type { Engine } from "./engine.js";
import { isUnstorableValue } from "../database-conflicts.js";
import { type InputResolver, MappingError } from "./resolve-inputs.js";

/** Ends runs whose steps have all ended and whose workflow maps its outputs. Doing it twice is harmless. */
export function createRunCloser(deps: { engine: Engine; resolver: InputResolver; logger: Logger }) {
  const { engine, resolver } = deps;
  return async function closeRun(runId: string, versionId: string): Promise<void> {
    const { plan } = await engine.plans.get(versionId);
    try {
      const output = await resolver.resolveOutputs(runId, plan);
      await engine.commit.apply(runId, versionId, { kind: "close", output });
    } catch (error) {
      const message = explain(error);
      if (message === undefined) throw error;
      deps.logger.info({ runId }, "outputs cannot be mapped");
      const fault = { code: "invalid_output", message } as const;
      await engine.commit.apply(runId, versionId, { kind: "close", output: null, error: fault });
    }
  };
}

/** See {@link createRunCloser}. */
export type RunCloser = ReturnType<typeof createRunCloser>;

/** What users are told; undefined for a fault of ours. What is told can be stored, whatever an expression said. */
function explain(error: unknown): string | undefined {
  if (error instanceof MappingError) return toStorableText(error.message);
  return isUnstorableValue(error) ? "The outputs hold NUL or half a character, or are too large" : undefined;
}
