import type { LucideIcon } from "lucide-react";
import {
  Ban,
  CircleCheck,
  CircleDashed,
  CircleDot,
  CirclePause,
  CircleX,
  Clock3,
  LoaderCircle,
} from "lucide-react";
import type { RunStatus, StepStatus } from "../../../src/core/statuses.js";

/** The families of colour that a status may have. */
export type Tone = "good" | "bad" | "busy" | "wait" | "idle";

/** How a status looks, everywhere. */
export interface StatusLook {
  readonly label: string;
  readonly tone: Tone;
  readonly icon: LucideIcon;
}

/** The one map from status to look. A new status does not compile until it has one. */
export const STATUS_LOOKS: Readonly<Record<RunStatus | StepStatus, StatusLook>> = {
  pending: { label: "Pending", tone: "idle", icon: CircleDashed },
  queued: { label: "Queued", tone: "idle", icon: Clock3 },
  running: { label: "Running", tone: "busy", icon: LoaderCircle },
  waiting: { label: "Waiting", tone: "wait", icon: CirclePause },
  succeeded: { label: "Succeeded", tone: "good", icon: CircleCheck },
  failed: { label: "Failed", tone: "bad", icon: CircleX },
  skipped: { label: "Skipped", tone: "idle", icon: CircleDot },
  canceled: { label: "Canceled", tone: "idle", icon: Ban },
};

const RUN_ORDER: Readonly<Record<RunStatus, number>> = {
  running: 0,
  waiting: 1,
  queued: 2,
  succeeded: 3,
  failed: 4,
  canceled: 5,
};

/** Every status of a run, in the order in which people look for them. */
export const RUN_STATUSES = (Object.keys(RUN_ORDER) as RunStatus[]).sort(
  (one, other) => RUN_ORDER[one] - RUN_ORDER[other],
);

/** Whether nothing more will happen. */
export function isOver(status: RunStatus | StepStatus): boolean {
  return status === "succeeded" || status === "failed" || status === "canceled" || status === "skipped";
}
