import { X } from "lucide-react";
import { useId, useState } from "react";
import { Button } from "../../components/button.js";
import { Field, Input, Select } from "../../components/field.js";
import { CodeEditor } from "../../editors/code-editor.js";
import type { Schema } from "../mcp-editor/mcp-draft.js";
import { asRecord } from "./definition-model.js";
import { namesFor, pointersOf } from "./pointer-options.js";
import styles from "./workflow-editor.module.css";

/** What a mapping may refer to here. */
export interface MappingScope {
  readonly input: Schema | undefined;
  readonly steps: readonly { readonly id: string; readonly outputSchema: Schema | undefined }[];
  readonly secrets: readonly string[];
}

const KINDS = [
  { value: "value", label: "Constant" },
  { value: "input", label: "Run's input" },
  { value: "step", label: "Another step" },
  { value: "secret", label: "Secret" },
  { value: "expression", label: "Expression" },
] as const;
type Kind = (typeof KINDS)[number]["value"];

/** Where one input comes from. */
export function MappingEditor({
  label,
  hint,
  mapping,
  scope,
  fault,
  isRequired = false,
  onChange,
  onRemove,
}: {
  readonly label: string;
  readonly hint?: string | undefined;
  /** Undefined: nothing is mapped. */
  readonly mapping: unknown;
  readonly scope: MappingScope;
  readonly fault?: string | undefined;
  readonly isRequired?: boolean;
  onChange(mapping: unknown): void;
  onRemove?: (() => void) | undefined;
}) {
  const held = asRecord(mapping);
  const kind = KINDS.find(({ value }) => value in held)?.value;
  const starts: Readonly<Record<Kind, unknown>> = {
    value: { value: "" },
    input: { input: pointersOf(scope.input)[1] ?? "" },
    step: { step: scope.steps[0]?.id ?? "", output: "" },
    secret: { secret: scope.secrets[0] ?? "" },
    expression: { expression: "input" },
  };
  return (
    <div className={styles["mapping"]} role="group" aria-label={`Input ${label}`}>
      <div className={styles["mappingHead"]}>
        <span className={styles["mappingName"]} title={hint}>
          {label}
          {isRequired && <span className={styles["required"]}> *</span>}
        </span>
        <Select
          aria-label={`Where ${label} comes from`}
          value={kind ?? ""}
          options={[{ value: "", label: "Not given" }, ...KINDS]}
          onChange={(event) => {
            const next = event.target.value as Kind | "";
            onChange(next === "" ? undefined : starts[next]);
          }}
        />
        {onRemove && (
          <Button variant="quiet" size="s" icon={X} aria-label={`Remove ${label}`} onClick={onRemove} />
        )}
      </div>
      {kind && <MappingValue kind={kind} label={label} held={held} scope={scope} onChange={onChange} />}
      {hint && <p className={styles["hint"]}>{hint}</p>}
      {fault && <p className={styles["fault"]}>{fault}</p>}
    </div>
  );
}

function MappingValue({
  kind,
  label,
  held,
  scope,
  onChange,
}: {
  readonly kind: Kind;
  readonly label: string;
  readonly held: Readonly<Record<string, unknown>>;
  readonly scope: MappingScope;
  onChange(mapping: unknown): void;
}) {
  switch (kind) {
    case "input":
      return (
        <PointerInput
          label={`Pointer into the run's input for ${label}`}
          value={String(held["input"] ?? "")}
          options={pointersOf(scope.input)}
          onChange={(input) => onChange({ input })}
        />
      );
    case "step": {
      const step = String(held["step"] ?? "");
      const known = scope.steps.find(({ id }) => id === step);
      const ids = [...new Set([...scope.steps.map(({ id }) => id), step])].filter((id) => id !== "");
      return (
        <div className={styles["two"]}>
          <Select
            aria-label={`Step that gives ${label}`}
            value={step}
            options={ids.map((id) => ({ value: id, label: id }))}
            onChange={(event) => onChange({ step: event.target.value, output: held["output"] ?? "" })}
          />
          <PointerInput
            label={`Pointer into the step's output for ${label}`}
            value={String(held["output"] ?? "")}
            options={pointersOf(known?.outputSchema)}
            onChange={(output) => onChange({ step, output })}
          />
        </div>
      );
    }
    case "secret":
      return (
        <Select
          aria-label={`Secret for ${label}`}
          value={String(held["secret"] ?? "")}
          options={[...new Set([...scope.secrets, String(held["secret"] ?? "")])].map((name) => ({
            value: name,
            label: name || "There is no secret yet",
          }))}
          onChange={(event) => onChange({ secret: event.target.value })}
        />
      );
    case "expression":
      return (
        <CodeEditor
          label={`Expression for ${label}`}
          isLabelHidden
          isPlain
          language="jsonata"
          rows={[1, 8]}
          value={String(held["expression"] ?? "")}
          complete={(context) => {
            const word = context.matchBefore(/[\w.`-]*$/);
            if (!word || (word.from === word.to && !context.explicit)) return null;
            const options = namesFor(scope.input, scope.steps);
            return { from: word.from, options: options.map((name) => ({ label: name, type: "variable" })) };
          }}
          onChange={(expression) => onChange({ expression })}
        />
      );
    case "value":
      return <ConstantInput label={label} value={held["value"]} onChange={(value) => onChange({ value })} />;
  }
}

function PointerInput({
  label,
  value,
  options,
  onChange,
}: {
  readonly label: string;
  readonly value: string;
  readonly options: readonly string[];
  onChange(value: string): void;
}) {
  const id = useId();
  return (
    <>
      <Input
        aria-label={label}
        className="mono"
        list={id}
        placeholder="the whole"
        value={value}
        onChange={(event) => onChange(event.target.value)}
      />
      <datalist id={id}>
        {options
          .filter((pointer) => pointer !== "")
          .map((pointer) => (
            <option key={pointer} value={pointer} />
          ))}
      </datalist>
    </>
  );
}

/** A constant: JSON where it is JSON, else the text as it stands. */
function ConstantInput({
  label,
  value,
  onChange,
}: {
  readonly label: string;
  readonly value: unknown;
  onChange(value: unknown): void;
}) {
  const written = typeof value === "string" ? quoteIfNeeded(value) : JSON.stringify(value ?? "");
  const [text, setText] = useState(written);
  const shown = JSON.stringify(readConstant(text)) === JSON.stringify(value) ? text : written;
  return (
    <Field label={`Constant for ${label}`} hint="JSON, or plain text.">
      {(control) => (
        <Input
          {...control}
          className="mono"
          value={shown}
          onChange={(event) => {
            setText(event.target.value);
            onChange(readConstant(event.target.value));
          }}
        />
      )}
    </Field>
  );
}

/** What somebody means who writes this: JSON when it is some, else text. */
export function readConstant(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function quoteIfNeeded(text: string): string {
  return readConstant(text) === text ? text : JSON.stringify(text);
}
