import { Link } from "wouter";
import type { Evidence as Found } from "../../../../src/contracts/api/copilot.js";
import { runPath } from "../../app/page-paths.js";
import { formatDuration } from "../../format/duration.js";
import { CodeBlock } from "../code-block.js";
import styles from "./copilot-panel.module.css";

/** What speaks for a suggestion: what was read, in which runs, how often. */
export function Evidence({ evidence }: { readonly evidence: Found }) {
  const { stepId, runs, runIds = [], errorCodes, durationMs, quotes = [] } = evidence;
  const facts = [
    stepId === undefined ? undefined : `Step ${stepId}`,
    runs === undefined ? undefined : `${runs} ${runs === 1 ? "run" : "runs"} looked at`,
    ...Object.entries(errorCodes ?? {}).map(([code, count]) => `${code} ×${count}`),
    durationMs?.p95 === undefined ? undefined : `p95 ${formatDuration(durationMs.p95)}`,
  ].filter((fact) => fact !== undefined);
  if (facts.length + runIds.length + quotes.length === 0) return null;
  return (
    <section className={styles["evidence"]} aria-label="Evidence">
      <p className={styles["origin"]}>
        {facts.join(" · ")}
        {runIds.length > 0 && (
          <>
            {facts.length > 0 && " · "}
            {runIds.length === 1 ? "run " : "runs "}
            {runIds.slice(0, 5).map((id, index) => (
              <span key={id}>
                {index > 0 && ", "}
                <Link to={runPath(id)} title={id}>
                  {id.slice(-8)}
                </Link>
              </span>
            ))}
          </>
        )}
      </p>
      {quotes.length > 0 && <CodeBlock label="What was read" text={quotes.join("\n")} isWrapped />}
    </section>
  );
}
