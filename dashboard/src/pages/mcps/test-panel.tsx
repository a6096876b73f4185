import { ExternalLink, FlaskConical } from "lucide-react";
import { useEffect, useRef, useState } from "react";
import { Link } from "wouter";
import type { McpVersion } from "../../../../src/contracts/api/mcp-definitions.js";
import { ApiError } from "../../api/problem.js";
import { useMay } from "../../api/use-me.js";
import { runPath } from "../../app/page-paths.js";
import { stripAnsi } from "../../components/ansi.js";
import { Button } from "../../components/button.js";
import { CodeBlock } from "../../components/code-block.js";
import { JsonView } from "../../components/json-view.js";
import layout from "../../components/layout.module.css";
import { Elapsed } from "../../components/moment.js";
import { Panel } from "../../components/panel.js";
import { SchemaForm } from "../../components/schema-form.js";
import { asFormSchema, defaultsOf, faultsUnder } from "../../components/schema-form-model.js";
import { FormFault } from "../../components/states.js";
import { StatusBadge } from "../../components/status-badge.js";
import { isOver } from "../../format/status.js";
import styles from "./test-panel.module.css";
import { type TestRun, useTestRun } from "./use-test-run.js";

/** Runs a version by itself, with inputs asked for by its schema, and shows what it says while it runs. */
export function TestPanel({ version }: { readonly version: McpVersion }) {
  const schema = asFormSchema(version.inputSchema);
  const [inputs, setInputs] = useState<unknown>(() => defaultsOf(schema) ?? {});
  const [fault, setFault] = useState<unknown>();
  const [isStarting, setStarting] = useState(false);
  const { run, start } = useTestRun();
  const mayRun = useMay("run:start");
  const isRunning = isStarting || (run !== undefined && !isOver(run.status));

  async function begin(): Promise<void> {
    setFault(undefined);
    setStarting(true);
    try {
      await start(version.id, inputs ?? {});
    } catch (error) {
      setFault(error);
    } finally {
      setStarting(false);
    }
  }

  const faults =
    fault instanceof ApiError
      ? { ...faultsUnder(fault.faults, "/inputs"), ...faultsUnder(fault.faults, "/input") }
      : {};
  return (
    <Panel title="Test" side={<span className={layout["mono"]}>{`${version.name}@${version.version}`}</span>}>
      <form
        className={layout["form"]}
        onSubmit={(event) => {
          event.preventDefault();
          void begin();
        }}
      >
        <SchemaForm schema={schema} value={inputs} onChange={setInputs} faults={faults} />
        <FormFault error={fault} />
        <div className={layout["line"]}>
          <Button
            type="submit"
            variant="primary"
            icon={FlaskConical}
            isBusy={isRunning}
            blockedBecause={mayRun.reason}
          >
            Run test
          </Button>
          {run && <RunLine run={run} />}
        </div>
      </form>
      {run && <TestOutcome run={run} />}
    </Panel>
  );
}

function RunLine({ run }: { readonly run: TestRun }) {
  return (
    <span className={layout["line"]} role="status">
      <StatusBadge status={run.status} />
      <Elapsed from={run.startedAt} to={run.finishedAt} />
      <Link to={runPath(run.id)} className={layout["iconic"]}>
        Run page <ExternalLink size={12} aria-hidden />
      </Link>
    </span>
  );
}

function TestOutcome({ run }: { readonly run: TestRun }) {
  const { step, lines, text } = run;
  return (
    <div className={styles["outcome"]} data-test-status={run.status}>
      {(lines.length > 0 || !isOver(run.status)) && <LogTail run={run} />}
      {text !== "" && !step && <CodeBlock label="Answer so far" text={text} isWrapped />}
      {step?.error && (
        <div className={styles["part"]}>
          <h3>Error: {step.error.code}</h3>
          <CodeBlock label="Error" tone="bad" text={step.error.message} isWrapped />
        </div>
      )}
      {step && !step.error && (
        <div className={styles["part"]}>
          <h3>Output</h3>
          <JsonView label="Output" value={step.output} />
        </div>
      )}
    </div>
  );
}

function LogTail({ run: { lines } }: { readonly run: TestRun }) {
  const end = useRef<HTMLDivElement>(null);
  useEffect(() => {
    end.current?.scrollTo({ top: end.current.scrollHeight });
  }, [lines.length]);
  return (
    <div className={styles["part"]}>
      <h3>Log</h3>
      <div ref={end} className={styles["log"]} role="log" aria-label="Log" tabIndex={0}>
        {lines.length === 0 && <p className={layout["dim"]}>Nothing was written yet.</p>}
        {lines.map((line, index) => (
          <p key={index} data-stream={line.stream}>
            {stripAnsi(line.message)}
          </p>
        ))}
      </div>
    </div>
  );
}
