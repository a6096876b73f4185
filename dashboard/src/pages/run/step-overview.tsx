import type { Run, RunGraph, StepRun } from "../../../../src/contracts/api/runs.js";
import { CodeBlock } from "../../components/code-block.js";
import { Elapsed, Moment } from "../../components/moment.js";
import { Fact, Facts } from "../../components/panel.js";
import { StatusBadge } from "../../components/status-badge.js";
import { JsonView } from "../../components/json-view.js";
import { formatDuration } from "../../format/duration.js";
import { formatCost, formatCount } from "../../format/numbers.js";
import { ApprovalForm } from "./approval-form.js";
import { describeErrorCode } from "./error-words.js";
import styles from "./step-panel.module.css";
import { WaitingReasons } from "./waiting-reasons.js";

/** What there is to say about a step: why it waits, what went wrong, its attempts, and the facts. */
export function StepOverview({
  run,
  step,
  node,
}: {
  readonly run: Run;
  readonly step: StepRun;
  readonly node: RunGraph["nodes"][number] | undefined;
}) {
  const approval = step.waitingFor?.find(({ reason }) => reason === "approval" || reason === "budget");
  return (
    <div className={styles["overview"]}>
      {approval && <ApprovalForm key={step.id} runId={run.id} step={step} approval={approval} />}
      {step.waitingFor && !approval && <WaitingReasons reasons={step.waitingFor} />}
      {step.error && <StepError error={step.error} />}
      <Facts>
        {node && (
          <Fact name="Uses">
            <code>{node.data.uses}</code>
          </Fact>
        )}
        <Fact name="Queued">
          <Moment at={step.queuedAt} />
        </Fact>
        <Fact name="Started">
          <Moment at={step.startedAt} />
        </Fact>
        <Fact name="Took">
          <Elapsed from={step.startedAt} to={step.finishedAt} />
        </Fact>
        <Fact name="Worker">
          {step.workerId === null ? "–" : <code title={step.workerId}>{step.workerId.slice(-12)}</code>} (
          {step.workerGroup})
        </Fact>
        {step.sandboxLevel && <Fact name="Sandbox">{step.sandboxLevel}</Fact>}
        {step.cacheHit && <Fact name="Cache">Taken from the cache: the component did not run</Fact>}
        {step.usage && (
          <Fact name="Model usage">
            {formatCount(step.usage.inputTokens)} tokens in, {formatCount(step.usage.outputTokens)} out, cost{" "}
            {formatCost(step.usage.cost)}
          </Fact>
        )}
      </Facts>
      {step.attempts.length > 1 && <Attempts step={step} />}
    </div>
  );
}

function StepError({ error }: { readonly error: NonNullable<StepRun["error"]> }) {
  const details = error.details as Record<string, unknown> | undefined;
  const trace = typeof details?.["traceback"] === "string" ? details["traceback"] : undefined;
  const tail = Array.isArray(details?.["stderrTail"]) ? details["stderrTail"].join("\n") : undefined;
  const { traceback: _trace, stderrTail: _tail, ...others } = details ?? {};
  return (
    <section className={styles["error"]} aria-label="Error">
      <h3>{describeErrorCode(error.code)}</h3>
      <CodeBlock label="error message" text={error.message} tone="bad" isWrapped />
      {(trace ?? tail) && <CodeBlock label="trace" text={trace ?? tail ?? ""} />}
      {Object.keys(others).length > 0 && <JsonView label="error details" value={others} />}
    </section>
  );
}

function Attempts({ step }: { readonly step: StepRun }) {
  return (
    <section className={styles["attempts"]} aria-label="Attempts">
      <h3>Attempts</h3>
      <ol>
        {step.attempts.map((attempt) => (
          <li key={attempt.attempt}>
            <span className={styles["dim"]}>{attempt.attempt}</span>
            <StatusBadge status={attempt.status} />
            <span className={styles["cutText"]} title={attempt.error?.message}>
              {attempt.error?.message}
            </span>
            <span className={styles["dim"]}>
              {attempt.durationMs === null ? "" : formatDuration(attempt.durationMs)}
            </span>
          </li>
        ))}
      </ol>
    </section>
  );
}
