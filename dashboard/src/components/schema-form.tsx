import { useId, useState } from "react";
import { Checkbox, Field, Input, Select, TextArea } from "./field.js";
import {
  type FormSchema,
  fieldsOf,
  isLongText,
  kindOf,
  parseNumber,
  type SchemaField,
} from "./schema-form-model.js";
import styles from "./schema-form.module.css";

/** A form made from a JSON Schema. What a schema says beyond it is judged by the server. */
export interface SchemaFormProps {
  readonly schema: FormSchema;
  readonly value: unknown;
  onChange(value: unknown): void;
  /** Message by JSON Pointer into the value: `/date`. */
  readonly faults?: Readonly<Record<string, string>>;
}

/** The form itself. It keeps no state of its own: `value` is the whole. */
export function SchemaForm({ schema, value, onChange, faults = {} }: SchemaFormProps) {
  const fields = fieldsOf(schema);
  if (fields.length === 0) {
    return <JsonField label="Input (JSON)" value={value} onChange={onChange} fault={faults[""]} />;
  }
  return <ObjectFields fields={fields} value={value} onChange={onChange} faults={faults} pointer="" />;
}

interface ObjectFieldsProps {
  readonly fields: readonly SchemaField[];
  readonly value: unknown;
  onChange(value: unknown): void;
  readonly faults: Readonly<Record<string, string>>;
  readonly pointer: string;
}

function ObjectFields({ fields, value, onChange, faults, pointer }: ObjectFieldsProps) {
  const object = isObject(value) ? value : {};
  const set = (name: string, member: unknown) => {
    const { [name]: _replaced, ...others } = object;
    onChange(member === undefined ? others : { ...others, [name]: member });
  };
  return (
    <div className={styles["fields"]}>
      {fields.map((field) => (
        <SchemaControl
          key={field.name}
          field={field}
          value={object[field.name]}
          onChange={(member) => set(field.name, member)}
          faults={faults}
          pointer={`${pointer}/${field.name.replaceAll("~", "~0").replaceAll("/", "~1")}`}
        />
      ))}
    </div>
  );
}

interface ControlProps extends Omit<ObjectFieldsProps, "fields"> {
  readonly field: SchemaField;
}

function SchemaControl({ field, value, onChange, faults, pointer }: ControlProps) {
  const { schema, label, isRequired } = field;
  const shared = { label, hint: schema.description, fault: faults[pointer], isRequired };
  switch (kindOf(schema)) {
    case "choice": {
      const choices = (schema.enum ?? []).map((choice) => JSON.stringify(choice));
      return (
        <Field {...shared}>
          {(control) => (
            <Select
              {...control}
              value={value === undefined ? "" : JSON.stringify(value)}
              onChange={(event) =>
                onChange(event.target.value === "" ? undefined : JSON.parse(event.target.value))
              }
              options={[
                { value: "", label: "–" },
                ...choices.map((text) => ({ value: text, label: text.replace(/^"(.*)"$/, "$1") })),
              ]}
            />
          )}
        </Field>
      );
    }
    case "switch":
      return (
        <Checkbox
          label={label}
          {...(schema.description ? { hint: schema.description } : {})}
          checked={value === true}
          onChange={(event) => onChange(event.target.checked)}
        />
      );
    case "number":
      return <NumberField {...shared} value={value} onChange={onChange} schema={schema} />;
    case "object":
      return (
        <fieldset className={styles["group"]}>
          <legend>{label}</legend>
          {schema.description && <p className={styles["hint"]}>{schema.description}</p>}
          <ObjectFields
            fields={fieldsOf(schema)}
            value={value}
            onChange={onChange}
            faults={faults}
            pointer={pointer}
          />
        </fieldset>
      );
    case "text":
      return (
        <Field {...shared}>
          {(control) =>
            isLongText(schema) ? (
              <TextArea
                {...control}
                value={String(value ?? "")}
                onChange={(event) => onChange(event.target.value === "" ? undefined : event.target.value)}
              />
            ) : (
              <Input
                {...control}
                type={schema.format === "date" ? "date" : schema.format === "email" ? "email" : "text"}
                value={String(value ?? "")}
                placeholder={schema.format === "date-time" ? "2026-01-31T09:00:00Z" : undefined}
                onChange={(event) => onChange(event.target.value === "" ? undefined : event.target.value)}
              />
            )
          }
        </Field>
      );
    default:
      return <JsonField {...shared} label={`${label} (JSON)`} value={value} onChange={onChange} />;
  }
}

/** A number while it is being written may be none yet: the text is kept beside the value. */
function NumberField({
  value,
  onChange,
  schema,
  ...shared
}: Omit<React.ComponentProps<typeof Field>, "children"> & {
  readonly value: unknown;
  onChange(value: unknown): void;
  readonly schema: FormSchema;
}) {
  const [text, setText] = useState(value === undefined ? "" : String(value));
  const parsed = parseNumber(text);
  return (
    <Field {...shared} fault={parsed === "none" ? "Must be a number." : shared.fault}>
      {(control) => (
        <Input
          {...control}
          inputMode={schema.type === "integer" ? "numeric" : "decimal"}
          value={text}
          onChange={(event) => {
            setText(event.target.value);
            const next = parseNumber(event.target.value);
            if (next !== "none") onChange(next);
          }}
        />
      )}
    </Field>
  );
}

/** Any JSON, written as such; the last text that parses is the value. */
export function JsonField({
  label,
  value,
  onChange,
  hint,
  fault,
  isRequired = false,
}: {
  readonly label: string;
  readonly value: unknown;
  onChange(value: unknown): void;
  readonly hint?: React.ReactNode;
  readonly fault?: string | undefined;
  readonly isRequired?: boolean;
}) {
  const [text, setText] = useState(() => (value === undefined ? "" : JSON.stringify(value, null, 2)));
  const [fault2, setFault] = useState<string>();
  const noteId = useId();
  return (
    <Field label={label} hint={hint} fault={fault2 ?? fault} isRequired={isRequired}>
      {(control) => (
        <TextArea
          {...control}
          key={noteId}
          isCode
          rows={6}
          value={text}
          onChange={(event) => {
            setText(event.target.value);
            if (event.target.value.trim() === "") {
              setFault(undefined);
              onChange(undefined);
              return;
            }
            try {
              onChange(JSON.parse(event.target.value));
              setFault(undefined);
            } catch (error) {
              setFault(error instanceof Error ? error.message : "Not valid JSON.");
            }
          }}
        />
      )}
    </Field>
  );
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
