import { JsonField } from "../../components/schema-form.js";
import type { ConfigEditorProps } from "./config-editor.js";

/** The settings of a type that the console has no editor for. */
export function JsonConfig({ config, onChange, faults }: ConfigEditorProps) {
  const { type: _type, ...settings } = config;
  return (
    <JsonField
      label="Settings (JSON)"
      value={settings}
      fault={Object.entries(faults)
        .map(([path, message]) => `${path}: ${message}`)
        .join("; ")}
      onChange={(value) => {
        if (typeof value === "object" && value !== null) onChange(value as Record<string, unknown>);
      }}
    />
  );
}
