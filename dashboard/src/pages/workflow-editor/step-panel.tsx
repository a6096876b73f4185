import { Plus, Trash2 } from "lucide-react";
import { useState } from "react";
import { Button } from "../../components/button.js";
import { ChooseMany } from "../../components/choose-many.js";
import { Field, Input, Select } from "../../components/field.js";
import layout from "../../components/layout.module.css";
import type { Fault } from "../../api/problem.js";
import {
  asRecord,
  asTexts,
  type Definition,
  type PlacedStep,
  removeSteps,
  renameStep,
  stepsOf,
  updateStep,
  wouldCircle,
} from "./definition-model.js";
import { MappingEditor, type MappingScope } from "./mapping-editor.js";
import { StepFlowFields } from "./step-flow-fields.js";
import type { Catalog } from "./use-catalog.js";
import styles from "./workflow-editor.module.css";

/** What the panel of a step is told. */
export interface StepPanelProps {
  readonly placed: PlacedStep;
  readonly definition: Definition;
  readonly catalog: Catalog;
  /** Faults of the whole definition. */
  readonly faults: readonly Fault[];
  change(how: (definition: Definition) => Definition): void;
  /** The step is called otherwise now. */
  onRenamed(id: string): void;
}

/** Every field of a step. */
export function StepPanel(props: StepPanelProps) {
  const { placed, definition, catalog, faults, change, onRenamed } = props;
  const { step, pointer } = placed;
  const set = (changes: Record<string, unknown>) => change((now) => updateStep(now, placed, changes));
  const own = Object.fromEntries(
    faults
      .filter(({ path }) => path === pointer || path.startsWith(`${pointer}/`))
      .map(({ path, message }) => [path.slice(pointer.length), message]),
  );
  const uses = String(step["uses"] ?? "");
  const steps = stepsOf(definition);
  const others = steps.filter(
    ({ key, list, id }) => list === placed.list && id !== "" && !wouldCircle(steps, key, placed.key),
  );
  const scope: MappingScope = {
    input: asRecord(definition["inputs"]),
    secrets: catalog.secrets,
    steps: others
      .concat(steps.filter(({ list }) => list !== placed.list && list === "steps"))
      .map((other) => ({
        id: other.id,
        outputSchema: catalog.usedBy(String(other.step["uses"] ?? "")).outputSchema,
      })),
  };
  return (
    <div className={layout["form"]} data-step-panel={placed.id}>
      {own[""] && <p className={styles["fault"]}>{own[""]}</p>}
      <IdField
        key={placed.id}
        id={placed.id}
        fault={own["/id"]}
        onRename={(id) => {
          change((now) => renameStep(now, placed, id));
          onRenamed(id);
        }}
      />
      <Field label="Name" hint="What people read; the id when empty." fault={own["/name"]}>
        {(control) => (
          <Input
            {...control}
            value={String(step["name"] ?? "")}
            onChange={(event) => set({ name: event.target.value || undefined })}
          />
        )}
      </Field>
      <UsesField
        uses={uses}
        catalog={catalog}
        fault={own["/uses"]}
        onChange={(next) => set({ uses: next })}
      />
      <InputsFields
        step={step}
        uses={uses}
        catalog={catalog}
        scope={scope}
        faults={own}
        onChange={(inputs) => set({ inputs })}
      />
      <ChooseMany
        label="Waits for"
        options={others.map(({ id }) => id)}
        value={asTexts(step["dependsOn"])}
        empty="There is no other step that it could wait for."
        fault={Object.entries(own).find(([path]) => path.startsWith("/dependsOn"))?.[1]}
        onChange={(ids) => set({ dependsOn: ids.length > 0 ? ids : undefined })}
      />
      <StepFlowFields step={step} faults={own} scope={scope} onChange={set} />
      <div>
        <Button
          variant="danger"
          icon={Trash2}
          onClick={() => change((now) => removeSteps(now, new Set([placed.key])))}
        >
          Delete step
        </Button>
      </div>
    </div>
  );
}

const STEP_ID = /^[a-z][a-z0-9_-]{0,62}$/;

/** The id is taken over when the field is left: half an id would break what refers to it. */
function IdField({
  id,
  fault,
  onRename,
}: {
  readonly id: string;
  readonly fault: string | undefined;
  onRename(id: string): void;
}) {
  const [text, setText] = useState(id);
  const isFit = STEP_ID.test(text);
  const take = () => {
    if (isFit && text !== id) onRename(text);
  };
  return (
    <Field
      label="Id"
      isRequired
      fault={isFit ? fault : "A small letter, then small letters, digits, - and _"}
      hint={text === id ? undefined : "Enter: what refers to it is renamed, too."}
    >
      {(control) => (
        <Input
          {...control}
          className="mono"
          value={text}
          onChange={(event) => setText(event.target.value)}
          onBlur={take}
          onKeyDown={(event) => {
            if (event.key === "Enter") take();
          }}
        />
      )}
    </Field>
  );
}

function UsesField({
  uses,
  catalog,
  fault,
  onChange,
}: {
  readonly uses: string;
  readonly catalog: Catalog;
  readonly fault: string | undefined;
  onChange(uses: string): void;
}) {
  const { versions } = catalog.usedBy(uses);
  const [, name = ""] = /^mcp:([^@]+)/.exec(uses) ?? [];
  return (
    <>
      <Field label="Uses" isRequired fault={fault}>
        {(control) => (
          <Input
            {...control}
            className="mono"
            value={uses}
            onChange={(event) => onChange(event.target.value)}
          />
        )}
      </Field>
      {versions.length > 1 && (
        <Field label="Version">
          {(control) => (
            <Select
              {...control}
              value={uses}
              options={[
                { value: `mcp:${name}`, label: "The newest, when a version is made" },
                ...versions.map((version) => ({ value: `mcp:${name}@${version}`, label: version })),
              ]}
              onChange={(event) => onChange(event.target.value)}
            />
          )}
        </Field>
      )}
    </>
  );
}

function InputsFields({
  step,
  uses,
  catalog,
  scope,
  faults,
  onChange,
}: {
  readonly step: PlacedStep["step"];
  readonly uses: string;
  readonly catalog: Catalog;
  readonly scope: MappingScope;
  readonly faults: Readonly<Record<string, string>>;
  onChange(inputs: Record<string, unknown> | undefined): void;
}) {
  const [added, setAdded] = useState("");
  const { inputSchema } = catalog.usedBy(uses);
  const properties = asRecord(inputSchema?.["properties"]);
  const inputs = asRecord(step["inputs"]);
  const required = asTexts(inputSchema?.["required"]);
  const names = [...new Set([...Object.keys(properties), ...Object.keys(inputs)])];
  const set = (name: string, mapping: unknown) => {
    const { [name]: _old, ...others } = inputs;
    // the order of the inputs stays as it was written
    const next =
      mapping === undefined
        ? others
        : name in inputs
          ? { ...inputs, [name]: mapping }
          : { ...others, [name]: mapping };
    onChange(Object.keys(next).length > 0 ? next : undefined);
  };
  const faultOf = (name: string) => {
    const at = `/inputs/${name.replaceAll("~", "~0").replaceAll("/", "~1")}`;
    return Object.entries(faults).find(([path]) => path === at || path.startsWith(`${at}/`))?.[1];
  };
  return (
    <section className={layout["form"]} aria-label="Inputs">
      <h3 className={styles["heading"]}>Inputs</h3>
      {faults["/inputs"] && <p className={styles["fault"]}>{faults["/inputs"]}</p>}
      {names.length === 0 && <p className={styles["hint"]}>What it uses declares no inputs.</p>}
      {names.map((name) => {
        const description = asRecord(properties[name])["description"];
        return (
          <MappingEditor
            key={name}
            label={name}
            hint={typeof description === "string" ? description : undefined}
            isRequired={required.includes(name)}
            mapping={inputs[name]}
            scope={scope}
            fault={faultOf(name)}
            onChange={(mapping) => set(name, mapping)}
          />
        );
      })}
      <div className={styles["two"]}>
        <Input
          aria-label="Name of a further input"
          placeholder="further input"
          className="mono"
          value={added}
          onChange={(event) => setAdded(event.target.value.trim())}
        />
        <Button
          icon={Plus}
          disabled={added === "" || names.includes(added)}
          onClick={() => {
            set(added, { value: "" });
            setAdded("");
          }}
        >
          Add input
        </Button>
      </div>
    </section>
  );
}
