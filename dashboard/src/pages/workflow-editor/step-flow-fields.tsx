import { Field, Input, Select } from "../../components/field.js";
import layout from "../../components/layout.module.css";
import { NumberField } from "../../components/number-field.js";
import { CodeEditor } from "../../editors/code-editor.js";
import { asRecord, type Step } from "./definition-model.js";
import { MappingEditor, type MappingScope } from "./mapping-editor.js";
import { namesFor } from "./pointer-options.js";
import styles from "./workflow-editor.module.css";

interface FlowProps {
  readonly step: Step;
  readonly faults: Readonly<Record<string, string>>;
  readonly scope: MappingScope;
  onChange(changes: Record<string, unknown>): void;
}

/** When a step runs, how often, and what becomes of its failing. */
export function StepFlowFields(props: FlowProps) {
  const { step, faults, scope, onChange } = props;
  return (
    <>
      <details className={styles["details"]} open={"when" in step || "forEach" in step || "runAfter" in step}>
        <summary>When and how often</summary>
        <div className={layout["form"]}>
          <CodeEditor
            label="Condition (when)"
            language="jsonata"
            isPlain
            rows={[1, 6]}
            value={String(step["when"] ?? "")}
            fault={faults["/when"]}
            hint="JSONata over input and steps; false skips the step."
            complete={(context) => {
              const word = context.matchBefore(/[\w.`-]+$/);
              if (!word && !context.explicit) return null;
              const options = namesFor(scope.input, scope.steps);
              return {
                from: word?.from ?? context.pos,
                options: options.map((label) => ({ label, type: "variable" })),
              };
            }}
            onChange={(when) => onChange({ when: when.trim() === "" ? undefined : when })}
          />
          <MappingEditor
            label="forEach"
            hint="An array: the step runs once per item, which expressions call item."
            mapping={step["forEach"]}
            scope={scope}
            fault={faultUnder(faults, "/forEach")}
            onChange={(forEach) => onChange({ forEach })}
          />
          {step["forEach"] !== undefined && (
            <NumberField
              label="Most items at once"
              value={numberOf(step["maxParallel"])}
              fault={faults["/maxParallel"]}
              onChange={(maxParallel) => onChange({ maxParallel })}
            />
          )}
          <Field label="Runs after" fault={faults["/runAfter"]}>
            {(control) => (
              <Select
                {...control}
                value={String(step["runAfter"] ?? "allSucceeded")}
                options={[
                  { value: "allSucceeded", label: "All it waits for have succeeded" },
                  { value: "allDone", label: "All have ended, however" },
                  { value: "anyFailed", label: "One of them has failed" },
                ]}
                onChange={(event) =>
                  onChange({
                    runAfter: event.target.value === "allSucceeded" ? undefined : event.target.value,
                  })
                }
              />
            )}
          </Field>
        </div>
      </details>
      <FailureFields {...props} />
      <PlaceFields {...props} />
    </>
  );
}

function FailureFields({ step, faults, onChange }: FlowProps) {
  const retry = asRecord(step["retry"]);
  const setRetry = (changes: Record<string, unknown>) => {
    const next = Object.fromEntries(
      Object.entries({ ...retry, ...changes }).filter(([, value]) => value !== undefined),
    );
    onChange({ retry: Object.keys(next).length > 0 ? next : undefined });
  };
  const isOpen = ["retry", "timeoutSeconds", "queueTimeoutSeconds", "onError"].some((name) => name in step);
  return (
    <details className={styles["details"]} open={isOpen}>
      <summary>Failure and time</summary>
      <div className={layout["form"]}>
        <div className={layout["row"]}>
          <NumberField
            label="Attempts"
            placeholder="1"
            value={numberOf(retry["maxAttempts"])}
            fault={faultUnder(faults, "/retry")}
            onChange={(maxAttempts) =>
              maxAttempts === undefined ? onChange({ retry: undefined }) : setRetry({ maxAttempts })
            }
          />
          <Field label="Pause between">
            {(control) => (
              <Select
                {...control}
                value={String(retry["backoff"] ?? "exponential")}
                options={[
                  { value: "exponential", label: "Doubling" },
                  { value: "fixed", label: "The same" },
                ]}
                onChange={(event) => setRetry({ backoff: event.target.value })}
              />
            )}
          </Field>
          <NumberField
            label="First pause (s)"
            placeholder="1"
            value={numberOf(retry["delaySeconds"])}
            onChange={(delaySeconds) => setRetry({ delaySeconds })}
          />
        </div>
        <div className={layout["row"]}>
          <NumberField
            label="Time limit (s)"
            value={numberOf(step["timeoutSeconds"])}
            fault={faults["/timeoutSeconds"]}
            onChange={(timeoutSeconds) => onChange({ timeoutSeconds })}
          />
          <NumberField
            label="Longest wait in the queue (s)"
            value={numberOf(step["queueTimeoutSeconds"])}
            fault={faults["/queueTimeoutSeconds"]}
            onChange={(queueTimeoutSeconds) => onChange({ queueTimeoutSeconds })}
          />
        </div>
        <Field label="When it fails" fault={faults["/onError"]}>
          {(control) => (
            <Select
              {...control}
              value={String(step["onError"] ?? "fail")}
              options={[
                { value: "fail", label: "The run fails" },
                { value: "continue", label: "The run goes on" },
              ]}
              onChange={(event) =>
                onChange({ onError: event.target.value === "fail" ? undefined : event.target.value })
              }
            />
          )}
        </Field>
      </div>
    </details>
  );
}

function PlaceFields({ step, faults, onChange }: FlowProps) {
  const cache = asRecord(step["cache"]);
  return (
    <details
      className={styles["details"]}
      open={["cache", "workerGroup", "priority"].some((name) => name in step)}
    >
      <summary>Cache and workers</summary>
      <div className={layout["form"]}>
        <div className={layout["row"]}>
          <NumberField
            label="Keep its output for (s)"
            value={numberOf(cache["ttlSeconds"])}
            fault={faultUnder(faults, "/cache")}
            onChange={(ttlSeconds) =>
              onChange({ cache: ttlSeconds === undefined ? undefined : { ...cache, ttlSeconds } })
            }
          />
          <Field label="Cache key (expression)">
            {(control) => (
              <Input
                {...control}
                className="mono"
                placeholder="all inputs"
                disabled={cache["ttlSeconds"] === undefined}
                value={String(cache["key"] ?? "")}
                onChange={(event) => {
                  const { key: _key, ...others } = cache;
                  onChange({
                    cache: event.target.value === "" ? others : { ...others, key: event.target.value },
                  });
                }}
              />
            )}
          </Field>
        </div>
        <div className={layout["row"]}>
          <Field label="Worker group" fault={faults["/workerGroup"]}>
            {(control) => (
              <Input
                {...control}
                placeholder="default"
                value={String(step["workerGroup"] ?? "")}
                onChange={(event) => onChange({ workerGroup: event.target.value || undefined })}
              />
            )}
          </Field>
          <NumberField
            label="Priority"
            placeholder="0"
            value={numberOf(step["priority"])}
            fault={faults["/priority"]}
            onChange={(priority) => onChange({ priority })}
          />
        </div>
      </div>
    </details>
  );
}

function numberOf(value: unknown): number | undefined {
  return typeof value === "number" ? value : undefined;
}

function faultUnder(faults: Readonly<Record<string, string>>, at: string): string | undefined {
  return Object.entries(faults).find(([path]) => path === at || path.startsWith(`${at}/`))?.[1];
}
