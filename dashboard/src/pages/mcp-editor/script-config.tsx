import layout from "../../components/layout.module.css";
import { LinesField } from "../../components/lines-field.js";
import { CodeEditor } from "../../editors/code-editor.js";
import type { ConfigEditorProps } from "./config-editor.js";
import { faultAt, orNone, textOf, textsOf } from "./config-values.js";
import { LimitsFields } from "./limits-fields.js";

/** A script in Python or TypeScript. */
export function ScriptConfig({ config, onChange, faults }: ConfigEditorProps) {
  const isPython = config["type"] === "python_script";
  return (
    <div className={layout["form"]}>
      <CodeEditor
        label="Code"
        language={isPython ? "python" : "typescript"}
        rows={[14, 34]}
        value={textOf(config, "code")}
        fault={faults["/code"]}
        hint={
          isPython
            ? "A function main is called with the inputs by name; what it returns is the output."
            : "An exported main, or the default export, is called with an object of the inputs; what it returns is the output."
        }
        onChange={(code) => onChange({ code })}
      />
      <LinesField
        label="Requirements"
        hint={isPython ? "Packages of PyPI, one a line." : "Packages of npm, one a line."}
        placeholder={isPython ? "requests>=2.31" : "zod@^4.0.0"}
        value={textsOf(config, "requirements")}
        fault={faultAt(faults, "/requirements")}
        onChange={(requirements) => onChange({ requirements: orNone(requirements) })}
      />
      <LimitsFields
        config={config}
        onChange={onChange}
        faults={faults}
        has={["timeoutSeconds", "memoryMb", "network", "env"]}
      />
    </div>
  );
}
