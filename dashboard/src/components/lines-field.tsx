import { useState, type ReactNode } from "react";
import { Field, TextArea } from "./field.js";

/** A list of words, one a line. */
export function LinesField({
  label,
  value,
  onChange,
  hint,
  fault,
  placeholder,
}: {
  readonly label: string;
  readonly value: readonly string[];
  onChange(value: string[]): void;
  readonly hint?: ReactNode;
  readonly fault?: string | undefined;
  readonly placeholder?: string;
}) {
  const [text, setText] = useState(value.join("\n"));
  const shown = linesOf(text).join("\n") === value.join("\n") ? text : value.join("\n");
  return (
    <Field label={label} hint={hint} fault={fault}>
      {(control) => (
        <TextArea
          {...control}
          isCode
          rows={Math.max(2, Math.min(8, value.length + 1))}
          style={{ minHeight: 0 }}
          placeholder={placeholder}
          value={shown}
          onChange={(event) => {
            setText(event.target.value);
            onChange(linesOf(event.target.value));
          }}
        />
      )}
    </Field>
  );
}

function linesOf(text: string): string[] {
  return text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "");
}
