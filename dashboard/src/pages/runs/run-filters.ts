import type { RunStatus, RunTrigger } from "../../../../src/core/statuses.js";
import { RUN_STATUSES } from "../../format/status.js";

/** What narrows the list of runs, as the URL holds it. */
export interface RunFilters {
  /** Words to be found in names, labels and errors, or the beginning of an id. */
  readonly q: string;
  /** `""`: all. */
  readonly status: string;
  readonly workflow: string;
  readonly trigger: string;
  /** `name:value`, several parted by spaces. */
  readonly label: string;
  /** `""`, or one of {@link SINCE}, or `custom`. */
  readonly since: string;
  /** Of `custom`: local date-times as inputs write them. */
  readonly from: string;
  readonly to: string;
}

/** No filter. */
export const NO_FILTERS: RunFilters = {
  q: "",
  status: "",
  workflow: "",
  trigger: "",
  label: "",
  since: "",
  from: "",
  to: "",
};

const HOUR_MS = 3_600_000;
/** Spans up to now. */
export const SINCE: Readonly<Record<string, { readonly label: string; readonly ms: number }>> = {
  "1h": { label: "Last hour", ms: HOUR_MS },
  "24h": { label: "Last 24 hours", ms: 24 * HOUR_MS },
  "7d": { label: "Last 7 days", ms: 7 * 24 * HOUR_MS },
  "30d": { label: "Last 30 days", ms: 30 * 24 * HOUR_MS },
};

const TRIGGER_LABELS: Readonly<Record<RunTrigger, string>> = {
  api: "API",
  schedule: "Schedule",
  webhook: "Webhook",
  manual: "Manual",
  test: "Test",
  workflow: "Workflow",
  mcp: "Tool call",
};

/** Every trigger with its word. */
export const TRIGGERS = Object.entries(TRIGGER_LABELS).map(([value, label]) => ({ value, label }));

/** The word of a trigger. */
export function triggerLabel(trigger: RunTrigger): string {
  return TRIGGER_LABELS[trigger];
}

const LABEL = /^[A-Za-z0-9_.-]{1,63}:.{0,255}$/u;

/** What the API is asked with. Labels that are none yet are left out; times of `since` are counted back from `now`. */
export interface RunQuery {
  readonly q?: string;
  readonly status?: RunStatus;
  readonly workflow?: string;
  readonly trigger?: string;
  readonly label?: readonly string[];
  readonly createdAfter?: string;
  readonly createdBefore?: string;
}

/** The API's query of some filters. */
export function toRunQuery(filters: RunFilters, now: number): RunQuery {
  const span = SINCE[filters.since];
  const labels = filters.label.split(/\s+/).filter((text) => LABEL.test(text));
  const isCustom = filters.since === "custom";
  const after = span ? new Date(now - span.ms).toISOString() : isCustom ? toInstant(filters.from) : undefined;
  const before = isCustom ? toInstant(filters.to) : undefined;
  return {
    ...(filters.q.trim() === "" ? {} : { q: filters.q.trim() }),
    ...(RUN_STATUSES.includes(filters.status as RunStatus) ? { status: filters.status as RunStatus } : {}),
    ...(filters.workflow.trim() === "" ? {} : { workflow: filters.workflow.trim() }),
    ...(filters.trigger in TRIGGER_LABELS ? { trigger: filters.trigger } : {}),
    ...(labels.length > 0 ? { label: labels } : {}),
    ...(after === undefined ? {} : { createdAfter: after }),
    ...(before === undefined ? {} : { createdBefore: before }),
  };
}

function toInstant(local: string): string | undefined {
  const date = new Date(local);
  return local === "" || Number.isNaN(date.getTime()) ? undefined : date.toISOString();
}

/** Whether anything narrows the list. */
export function isNarrowed(filters: RunFilters): boolean {
  return (Object.keys(NO_FILTERS) as (keyof RunFilters)[]).some((name) => filters[name] !== "");
}
