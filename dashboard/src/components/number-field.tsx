import { useState, type ReactNode } from "react";
import { Field, Input } from "./field.js";
import { parseNumber } from "./schema-form-model.js";

/** A number, or nothing. What is no number yet stays as it was written and is not told. */
export function NumberField({
  label,
  value,
  onChange,
  hint,
  fault,
  placeholder,
}: {
  readonly label: string;
  readonly value: number | undefined;
  onChange(value: number | undefined): void;
  readonly hint?: ReactNode;
  readonly fault?: string | undefined;
  /** What holds when nothing is given. */
  readonly placeholder?: string;
}) {
  const [text, setText] = useState(value === undefined ? "" : String(value));
  const parsed = parseNumber(text);
  // a value that came from elsewhere takes the place of the text; one that the text means leaves it alone
  const shown = parsed === "none" || parsed === value ? text : value === undefined ? "" : String(value);
  return (
    <Field label={label} hint={hint} fault={parsed === "none" ? "Must be a number." : fault}>
      {(control) => (
        <Input
          {...control}
          inputMode="decimal"
          placeholder={placeholder}
          value={shown}
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
