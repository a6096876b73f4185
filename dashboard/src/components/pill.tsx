import type { ReactNode } from "react";
import type { Tone } from "../format/status.js";
import styles from "./layout.module.css";

const TONES: Readonly<Record<Tone, string | undefined>> = {
  good: styles["pillGood"],
  bad: styles["pillBad"],
  wait: styles["pillWait"],
  busy: styles["pillBusy"],
  idle: "",
};

/** A short word about a thing, in the colour of its meaning. */
export function Pill({ tone = "idle", children }: { readonly tone?: Tone; readonly children: ReactNode }) {
  return <span className={`${styles["pill"]} ${TONES[tone]}`}>{children}</span>;
}
