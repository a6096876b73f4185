import { Field, Input, Select } from "../../components/field.js";
import layout from "../../components/layout.module.css";
import { LinesField } from "../../components/lines-field.js";
import { PairsField } from "../../components/pairs-field.js";
import { JsonField } from "../../components/schema-form.js";
import type { ConfigEditorProps } from "./config-editor.js";
import { faultAt, faultsBelow, objectOf, orNone, pairsOf, textOf, textsOf } from "./config-values.js";
import { LimitsFields } from "./limits-fields.js";

const TRANSPORTS = [
  { value: "stdio", label: "Started here (stdio)" },
  { value: "http", label: "Reached by HTTP" },
];

/** A Model Context Protocol server, and which of its tools is called. */
export function PackageConfig(props: ConfigEditorProps) {
  const { config, onChange, faults } = props;
  const transport = objectOf(config, "transport") ?? { kind: "stdio" };
  const isHttp = transport["kind"] === "http";
  const set = (changes: Record<string, unknown>) => {
    const merged = Object.entries({ ...transport, ...changes }).filter(([, value]) => value !== undefined);
    onChange({ transport: Object.fromEntries(merged) });
  };
  return (
    <div className={layout["form"]}>
      <Field label="Server">
        {(control) => (
          <Select
            {...control}
            value={isHttp ? "http" : "stdio"}
            options={TRANSPORTS}
            onChange={(event) =>
              onChange({
                transport:
                  event.target.value === "http"
                    ? { kind: "http", url: "https://" }
                    : { kind: "stdio", command: "npx" },
              })
            }
          />
        )}
      </Field>
      {isHttp ? (
        <>
          <Field label="URL" isRequired fault={faults["/transport/url"]}>
            {(control) => (
              <Input
                {...control}
                type="url"
                value={textOf(transport, "url")}
                onChange={(event) => set({ url: event.target.value })}
              />
            )}
          </Field>
          <PairsField
            label="Headers"
            value={pairsOf(transport, "headers")}
            faults={faultsBelow(faults, "/transport/headers")}
            onChange={(headers) => set({ headers: orNone(headers) })}
          />
        </>
      ) : (
        <>
          <Field label="Command" isRequired fault={faults["/transport/command"]}>
            {(control) => (
              <Input
                {...control}
                className="mono"
                value={textOf(transport, "command")}
                onChange={(event) => set({ command: event.target.value })}
              />
            )}
          </Field>
          <LinesField
            label="Arguments"
            hint="One a line."
            value={textsOf(transport, "args")}
            fault={faultAt(faults, "/transport/args")}
            onChange={(args) => set({ args: orNone(args) })}
          />
          <PairsField
            label="Environment variables"
            value={pairsOf(transport, "env")}
            faults={faultsBelow(faults, "/transport/env")}
            onChange={(env) => set({ env: orNone(env) })}
          />
        </>
      )}
      <ToolFields {...props} />
      <LimitsFields
        config={config}
        onChange={onChange}
        faults={faults}
        has={isHttp ? ["timeoutSeconds"] : ["timeoutSeconds", "memoryMb", "network"]}
      />
    </div>
  );
}

function ToolFields({ config, onChange, faults }: ConfigEditorProps) {
  return (
    <>
      <div className={layout["row"]}>
        <Field
          label="Tool"
          hint="Empty: the step's input “tool” names it, or a model chooses."
          fault={faults["/tool"]}
        >
          {(control) => (
            <Input
              {...control}
              value={textOf(config, "tool")}
              onChange={(event) => onChange({ tool: event.target.value || undefined })}
            />
          )}
        </Field>
        <Field label="When its tools have changed" fault={faults["/toolChanges"]}>
          {(control) => (
            <Select
              {...control}
              value={textOf(config, "toolChanges") || "refuse"}
              options={[
                { value: "refuse", label: "Refuse to run" },
                { value: "allowDescriptions", label: "Allow other descriptions" },
                { value: "allowCompatible", label: "Allow what callers do not notice" },
              ]}
              onChange={(event) =>
                onChange({ toolChanges: event.target.value === "refuse" ? undefined : event.target.value })
              }
            />
          )}
        </Field>
      </div>
      <JsonField
        label="Fixed arguments (JSON)"
        value={config["arguments"]}
        fault={faultAt(faults, "/arguments")}
        onChange={(value) => onChange({ arguments: value })}
      />
    </>
  );
}
