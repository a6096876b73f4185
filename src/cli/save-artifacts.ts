import { mkdirSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import type { ApiClient } from "./api-client.js";
import { itemsOf, stepRunShape } from "./api-shapes.js";

/** Copies a run's artifacts into a folder, so that they can be opened when the API no longer runs. */
export async function saveArtifacts(api: ApiClient, runId: string, folder: string): Promise<string[]> {
  const path = `/api/v1/workflow-runs/${encodeURIComponent(runId)}/steps`;
  const steps = await api.call("GET", path, itemsOf(stepRunShape));
  const saved: string[] = [];
  for (const step of steps) {
    for (const artifact of step.artifacts ?? []) {
      const name = basename(artifact.name);
      if (name === "" || name === "." || name === "..") continue;
      mkdirSync(folder, { recursive: true });
      const target = join(
        folder,
        saved.some((other) => basename(other) === name) ? `${step.stepId}-${name}` : name,
      );
      writeFileSync(target, await api.download(`/api/v1/artifacts/${encodeURIComponent(artifact.id)}`));
      saved.push(target);
    }
  }
  return saved;
}
