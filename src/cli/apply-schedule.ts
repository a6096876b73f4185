import { toCanonicalJson } from "../core/canonical-json.js";
import type { ApiClient } from "./api-client.js";
import { scheduleShape } from "./api-shapes.js";
import type { Applied } from "./apply-manifests.js";
import type { ScheduleManifest } from "./load-manifests.js";

const SCHEDULES = "/api/v1/schedules";

/** Makes a schedule, or changes what its manifest says otherwise. @throws ApiError for what the API refuses. */
export async function applySchedule(
  api: ApiClient,
  { kind, source: _source, ...wanted }: ScheduleManifest & { readonly source: string },
): Promise<Applied> {
  const path = `${SCHEDULES}/${encodeURIComponent(wanted.name)}`;
  const known = await api.find(path, scheduleShape);
  if (!known) {
    const made = await api.call("POST", SCHEDULES, scheduleShape, { body: wanted });
    return { kind, name: made.name, version: String(made.revision), outcome: "created" };
  }
  const changes = Object.entries(wanted).filter(
    ([field, value]) => toCanonicalJson(value ?? null) !== toCanonicalJson(known[field] ?? null),
  );
  if (changes.length === 0)
    return { kind, name: known.name, version: String(known.revision), outcome: "unchanged" };
  const changed = await api.call("PATCH", path, scheduleShape, { body: Object.fromEntries(changes) });
  return { kind, name: changed.name, version: String(changed.revision), outcome: "updated" };
}
