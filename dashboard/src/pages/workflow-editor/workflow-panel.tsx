import { Plus } from "lucide-react";
import { useState } from "react";
import type { Fault } from "../../api/problem.js";
import { Button } from "../../components/button.js";
import { Checkbox, Field, Input, Select } from "../../components/field.js";
import layout from "../../components/layout.module.css";
import { NumberField } from "../../components/number-field.js";
import { SchemaEditor } from "../../editors/schema-editor.js";
import { asRecord, type Definition, stepsOf, updateDefinition } from "./definition-model.js";
import { MappingEditor } from "./mapping-editor.js";
import type { Catalog } from "./use-catalog.js";
import styles from "./workflow-editor.module.css";

/** What holds for the workflow as a whole. */
export function WorkflowPanel({
  definition,
  catalog,
  faults,
  change,
}: {
  readonly definition: Definition;
  readonly catalog: Catalog;
  readonly faults: readonly Fault[];
  change(how: (definition: Definition) => Definition): void;
}) {
  const set = (changes: Definition) => change((now) => updateDefinition(now, changes));
  const inputs = definition["inputs"] === undefined ? undefined : asRecord(definition["inputs"]);
  return (
    <div className={layout["form"]}>
      <SchemaEditor
        label="Inputs of a run"
        empty="None yet: runs may be given anything, and the run form has nothing to ask."
        value={inputs}
        faults={under(faults, "/inputs")}
        onChange={(schema) => set({ inputs: schema })}
      />
      <OutputsFields definition={definition} catalog={catalog} faults={faults} onChange={set} />
      <LimitFields definition={definition} faults={faults} onChange={set} />
    </div>
  );
}

function OutputsFields({
  definition,
  catalog,
  faults,
  onChange,
}: {
  readonly definition: Definition;
  readonly catalog: Catalog;
  readonly faults: readonly Fault[];
  onChange(changes: Definition): void;
}) {
  const [added, setAdded] = useState("");
  const outputs = asRecord(definition["outputs"]);
  const own = under(faults, "/outputs");
  const scope = {
    input: asRecord(definition["inputs"]),
    secrets: [],
    steps: stepsOf(definition).map(({ id, step }) => ({
      id,
      outputSchema: catalog.usedBy(String(step["uses"] ?? "")).outputSchema,
    })),
  };
  const set = (next: Record<string, unknown>) =>
    onChange({ outputs: Object.keys(next).length > 0 ? next : undefined });
  return (
    <section className={layout["form"]} aria-label="Outputs">
      <h3 className={styles["heading"]}>Outputs</h3>
      {Object.keys(outputs).length === 0 && (
        <p className={styles["hint"]}>None named: the outputs of the last steps, by step id.</p>
      )}
      {Object.entries(outputs).map(([name, mapping]) => (
        <MappingEditor
          key={name}
          label={name}
          mapping={mapping}
          scope={scope}
          fault={Object.entries(own).find(([path]) => path.startsWith(`/${name}`))?.[1]}
          onChange={(next) => set({ ...outputs, [name]: next ?? { value: null } })}
          onRemove={() => {
            const { [name]: _gone, ...others } = outputs;
            set(others);
          }}
        />
      ))}
      <div className={styles["two"]}>
        <Input
          aria-label="Name of a further output"
          placeholder="further output"
          className="mono"
          value={added}
          onChange={(event) => setAdded(event.target.value.trim())}
        />
        <Button
          icon={Plus}
          disabled={added === "" || added in outputs}
          onClick={() => {
            const last = scope.steps.at(-1)?.id;
            set({ ...outputs, [added]: last ? { step: last, output: "" } : { input: "" } });
            setAdded("");
          }}
        >
          Add output
        </Button>
      </div>
    </section>
  );
}

function LimitFields({
  definition,
  faults,
  onChange,
}: {
  readonly definition: Definition;
  readonly faults: readonly Fault[];
  onChange(changes: Definition): void;
}) {
  const concurrency = asRecord(definition["concurrency"]);
  const rate = asRecord(definition["rateLimit"]);
  const number = (value: unknown) => (typeof value === "number" ? value : undefined);
  const message = (path: string) => Object.values(under(faults, path))[0];
  return (
    <section className={layout["form"]} aria-label="Limits">
      <h3 className={styles["heading"]}>Limits</h3>
      <NumberField
        label="Time limit of a run (s)"
        value={number(definition["timeoutSeconds"])}
        fault={message("/timeoutSeconds")}
        onChange={(timeoutSeconds) => onChange({ timeoutSeconds })}
      />
      <div className={layout["row"]}>
        <NumberField
          label="Runs at once"
          placeholder="any number"
          value={number(concurrency["limit"])}
          fault={message("/concurrency")}
          onChange={(limit) =>
            onChange({ concurrency: limit === undefined ? undefined : { ...concurrency, limit } })
          }
        />
        <Field label="One too many">
          {(control) => (
            <Select
              {...control}
              disabled={concurrency["limit"] === undefined}
              value={String(concurrency["onConflict"] ?? "queue")}
              options={[
                { value: "queue", label: "Waits" },
                { value: "skip", label: "Is skipped" },
                { value: "cancelRunning", label: "Ends the oldest" },
              ]}
              onChange={(event) =>
                onChange({ concurrency: { ...concurrency, onConflict: event.target.value } })
              }
            />
          )}
        </Field>
      </div>
      <div className={layout["row"]}>
        <NumberField
          label="Runs that may start"
          placeholder="any number"
          value={number(rate["limit"])}
          fault={message("/rateLimit")}
          onChange={(limit) =>
            onChange({
              rateLimit: limit === undefined ? undefined : { ...rate, limit, seconds: rate["seconds"] ?? 60 },
            })
          }
        />
        <NumberField
          label="in seconds"
          placeholder="60"
          value={number(rate["seconds"])}
          onChange={(seconds) => {
            if (rate["limit"] !== undefined) onChange({ rateLimit: { ...rate, seconds: seconds ?? 60 } });
          }}
        />
      </div>
      <Checkbox
        label="Offer it as a tool at /mcp"
        checked={definition["tool"] === true}
        onChange={(event) => onChange({ tool: event.target.checked ? true : undefined })}
      />
    </section>
  );
}

function under(faults: readonly Fault[], at: string): Record<string, string> {
  return Object.fromEntries(
    faults
      .filter(({ path }) => path === at || path.startsWith(`${at}/`))
      .map(({ path, message }) => [path.slice(at.length), message]),
  );
}
