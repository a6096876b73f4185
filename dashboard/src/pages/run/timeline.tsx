import { useVirtualizer } from "@tanstack/react-virtual";
import { ChevronRight } from "lucide-react";
import { memo, useMemo, useRef, useState } from "react";
import type { Run, StepRun } from "../../../../src/contracts/api/runs.js";
import { useNow } from "../../components/moment.js";
import { StatusIcon } from "../../components/status-badge.js";
import { formatDuration } from "../../format/duration.js";
import { isOver } from "../../format/status.js";
import type { ChosenStep } from "./chosen-step.js";
import styles from "./timeline.module.css";
import { type TimelineBar, type TimelineRow, timelineTicks, toTimelineRows } from "./timeline-rows.js";

const ROW_HEIGHT = 32;

/** When each step waited and ran, attempt by attempt. Rows in sight are rendered, so that thousands do not matter. */
export function Timeline({
  run,
  steps,
  chosen,
  onChoose,
}: {
  readonly run: Run;
  readonly steps: readonly StepRun[];
  readonly chosen: ChosenStep | undefined;
  onChoose(step: StepRun): void;
}) {
  const scroller = useRef<HTMLDivElement>(null);
  const [open, setOpen] = useState<ReadonlySet<string>>(
    () => new Set(chosen?.itemIndex === undefined ? [] : [chosen.stepId]),
  );
  const rows = useMemo(() => toTimelineRows(steps, open), [steps, open]);
  const now = useNow(isOver(run.status) ? undefined : 500);
  const start = new Date(run.createdAt).getTime();
  const end = Math.max(start + 1, run.finishedAt ? new Date(run.finishedAt).getTime() : now);
  const span = (end - start) * 1.02;
  const virtualizer = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW_HEIGHT,
    overscan: 10,
  });
  function toggle(stepId: string): void {
    const next = new Set(open);
    if (!next.delete(stepId)) next.add(stepId);
    setOpen(next);
  }
  return (
    <div className={styles["timeline"]}>
      <div className={styles["scale"]} aria-hidden>
        <span className={styles["corner"]}>Step</span>
        <div className={styles["ticks"]}>
          {timelineTicks(span, 7).map((tick) => (
            <span key={tick} style={{ left: `${(100 * tick) / span}%` }}>
              {tick === 0 ? "0" : formatDuration(tick)}
            </span>
          ))}
        </div>
      </div>
      <div ref={scroller} className={styles["scroller"]}>
        <ul className={styles["rows"]} style={{ height: virtualizer.getTotalSize() }} aria-label="Steps">
          {virtualizer.getVirtualItems().map(({ index, start: top }) => {
            const row = rows[index];
            if (!row) return null;
            const { stepId, itemIndex } = row.step;
            return (
              <li key={row.key} className={styles["row"]} style={{ top }}>
                <StepRow
                  row={row}
                  isChosen={chosen?.stepId === stepId && chosen.itemIndex === itemIndex}
                  onChoose={onChoose}
                  onToggle={toggle}
                />
                <div className={styles["bars"]} aria-hidden>
                  {row.bars.map((bar) => (
                    <Bar key={`${bar.attempt} ${bar.kind}`} bar={bar} start={start} span={span} now={now} />
                  ))}
                </div>
              </li>
            );
          })}
        </ul>
      </div>
    </div>
  );
}

const StepRow = memo(function StepRow({
  row: { step, items, isOpen },
  isChosen,
  onChoose,
  onToggle,
}: {
  readonly row: TimelineRow;
  readonly isChosen: boolean;
  onChoose(step: StepRun): void;
  onToggle(stepId: string): void;
}) {
  const { stepId, itemIndex, status, attempt, durationMs } = step;
  return (
    <div className={`${styles["name"]} ${itemIndex === undefined ? "" : styles["item"]}`}>
      {items > 0 && (
        <button
          type="button"
          className={styles["toggle"]}
          aria-expanded={isOpen}
          aria-label={`${items} items of ${stepId}`}
          onClick={() => onToggle(stepId)}
        >
          <ChevronRight size={13} aria-hidden />
        </button>
      )}
      <button
        type="button"
        className={styles["choose"]}
        aria-pressed={isChosen}
        onClick={() => onChoose(step)}
      >
        <StatusIcon status={status} isNamed />
        <span className="cut">{itemIndex === undefined ? stepId : `${stepId} [${itemIndex}]`}</span>
        {items > 0 && <span className={styles["tag"]}>×{items}</span>}
        {attempt > 1 && (
          <span className={styles["tag"]} title={`Attempt ${attempt}`}>
            ↻{attempt}
          </span>
        )}
        <span className={styles["took"]}>{durationMs === null ? "" : formatDuration(durationMs)}</span>
      </button>
    </div>
  );
});

function Bar({
  bar,
  start,
  span,
  now,
}: {
  readonly bar: TimelineBar;
  readonly start: number;
  readonly span: number;
  readonly now: number;
}) {
  const to = bar.to ?? now;
  const left = (100 * Math.max(0, bar.from - start)) / span;
  const width = (100 * Math.max(0, to - bar.from)) / span;
  const what = bar.kind === "queued" ? "waited" : bar.status;
  return (
    <span
      className={`${styles["bar"]} ${bar.kind === "queued" ? styles["queued"] : styles[bar.status]} ${bar.to === undefined && bar.kind === "ran" ? styles["open"] : ""}`}
      style={{ left: `${left}%`, width: `max(2px, ${width}%)` }}
      title={`Attempt ${bar.attempt}: ${what}, ${formatDuration(to - bar.from)}`}
    />
  );
}
