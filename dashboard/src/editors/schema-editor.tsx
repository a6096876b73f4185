import { Plus, X } from "lucide-react";
import { useState } from "react";
import { Button } from "../components/button.js";
import { Input, Select } from "../components/field.js";
import { CodeEditor } from "./code-editor.js";
import styles from "./schema-editor.module.css";
import { fromRows, ROW_TYPES, type SchemaRow, toRows } from "./schema-rows.js";

/** What is asked for a JSON Schema. */
export interface SchemaEditorProps {
  readonly label: string;
  readonly value: Readonly<Record<string, unknown>> | undefined;
  onChange(value: Readonly<Record<string, unknown>> | undefined): void;
  /** Message by JSON Pointer into the schema. */
  readonly faults?: Readonly<Record<string, string>>;
  /** Said while there are no fields. */
  readonly empty: string;
}

/** A JSON Schema as a table of fields, or as JSON: both change the same schema. */
export function SchemaEditor({ label, value, onChange, faults = {}, empty }: SchemaEditorProps) {
  const rows = toRows(value);
  const [isJson, setJson] = useState(rows === undefined);
  const isTable = !isJson && rows !== undefined;
  return (
    <div className={styles["editor"]} role="group" aria-label={label}>
      <div className={styles["head"]}>
        <span className={styles["label"]}>{label}</span>
        <span className={styles["switch"]}>
          <Button
            size="s"
            variant="quiet"
            aria-pressed={isTable}
            blockedBecause={rows === undefined ? "This schema is more than a table can show." : undefined}
            onClick={() => setJson(false)}
          >
            Fields
          </Button>
          <Button size="s" variant="quiet" aria-pressed={!isTable} onClick={() => setJson(true)}>
            JSON Schema
          </Button>
        </span>
      </div>
      {isTable ? (
        <SchemaTable
          label={label}
          rows={rows}
          faults={faults}
          empty={empty}
          onChange={(next) => onChange(fromRows(value, next))}
        />
      ) : (
        <SchemaJson label={label} value={value} onChange={onChange} />
      )}
      {Object.entries(faults).map(([path, message]) => (
        <p key={path} className={styles["fault"]}>
          {path !== "" && <code>{path}</code>} {message}
        </p>
      ))}
    </div>
  );
}

function SchemaTable({
  label,
  rows,
  faults,
  empty,
  onChange,
}: {
  readonly label: string;
  readonly rows: readonly SchemaRow[];
  readonly faults: Readonly<Record<string, string>>;
  readonly empty: string;
  onChange(rows: readonly SchemaRow[]): void;
}) {
  const set = (index: number, changes: Partial<SchemaRow>) =>
    onChange(rows.map((row, at) => (at === index ? { ...row, ...changes } : row)));
  const add = () => {
    let number = rows.length + 1;
    while (rows.some(({ name }) => name === `field${number}`)) number += 1;
    const extra = {};
    onChange([
      ...rows,
      { name: `field${number}`, type: "string", isRequired: false, description: "", extra },
    ]);
  };
  return (
    <>
      {rows.length === 0 && <p className={styles["empty"]}>{empty}</p>}
      {rows.map((row, index) => (
        <div key={index} className={styles["row"]}>
          <Input
            aria-label={`${label}: name of field ${index + 1}`}
            className="mono"
            value={row.name}
            aria-invalid={
              Object.keys(faults).some((path) => path.startsWith(`/properties/${row.name}`)) || undefined
            }
            onChange={(event) => {
              const name = event.target.value;
              if (!rows.some((other, at) => at !== index && other.name === name)) set(index, { name });
            }}
          />
          <Select
            aria-label={`Type of ${row.name}`}
            value={row.type}
            onChange={(event) => set(index, { type: event.target.value })}
            options={[...new Set([...ROW_TYPES, row.type])].map((type) => ({
              value: type,
              label: type === "" ? "any" : type,
            }))}
          />
          <Input
            aria-label={`Description of ${row.name}`}
            className={styles["about"]}
            placeholder="Description"
            value={row.description}
            onChange={(event) => set(index, { description: event.target.value })}
          />
          <label className={styles["required"]}>
            <input
              type="checkbox"
              aria-label={`${row.name} is required`}
              checked={row.isRequired}
              onChange={(event) => set(index, { isRequired: event.target.checked })}
            />
            required
          </label>
          <Button
            variant="quiet"
            size="s"
            icon={X}
            aria-label={`Remove ${row.name}`}
            onClick={() => onChange(rows.filter((_row, at) => at !== index))}
          />
        </div>
      ))}
      <div>
        <Button size="s" variant="quiet" icon={Plus} onClick={add}>
          Add a field
        </Button>
      </div>
    </>
  );
}

function SchemaJson({ label, value, onChange }: Pick<SchemaEditorProps, "label" | "value" | "onChange">) {
  const [text, setText] = useState(() => (value ? JSON.stringify(value, null, 2) : ""));
  const [fault, setFault] = useState<string>();
  return (
    <CodeEditor
      label={`${label} as JSON`}
      isLabelHidden
      language="json"
      rows={[5, 22]}
      value={text}
      fault={fault}
      onChange={(next) => {
        setText(next);
        if (next.trim() === "") {
          setFault(undefined);
          onChange(undefined);
          return;
        }
        try {
          const parsed: unknown = JSON.parse(next);
          if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed))
            return setFault("Must be an object.");
          setFault(undefined);
          onChange(parsed as Record<string, unknown>);
        } catch (error) {
          setFault(error instanceof Error ? error.message : "Not valid JSON.");
        }
      }}
    />
  );
}
