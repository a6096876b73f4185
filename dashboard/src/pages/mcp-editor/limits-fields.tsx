import { Checkbox } from "../../components/field.js";
import layout from "../../components/layout.module.css";
import { NumberField } from "../../components/number-field.js";
import { PairsField } from "../../components/pairs-field.js";
import type { ConfigEditorProps } from "./config-editor.js";
import { faultsBelow, numberOf, orNone, pairsOf } from "./config-values.js";

/** What an execution may take, and what it finds around it. */
export function LimitsFields({
  config,
  onChange,
  faults,
  has,
}: Omit<ConfigEditorProps, "inputSchema"> & {
  /** Which of them the type has. */
  readonly has: readonly ("timeoutSeconds" | "memoryMb" | "network" | "env" | "idleTimeoutSeconds")[];
}) {
  return (
    <div className={layout["form"]}>
      <div className={layout["row"]}>
        {has.includes("timeoutSeconds") && (
          <NumberField
            label="Time limit (seconds)"
            placeholder="600"
            value={numberOf(config, "timeoutSeconds")}
            fault={faults["/timeoutSeconds"]}
            onChange={(timeoutSeconds) => onChange({ timeoutSeconds })}
          />
        )}
        {has.includes("memoryMb") && (
          <NumberField
            label="Memory (MiB)"
            placeholder="1024"
            value={numberOf(config, "memoryMb")}
            fault={faults["/memoryMb"]}
            onChange={(memoryMb) => onChange({ memoryMb })}
          />
        )}
        {has.includes("idleTimeoutSeconds") && (
          <NumberField
            label="Stop when idle for (seconds)"
            placeholder="1800"
            value={numberOf(config, "idleTimeoutSeconds")}
            fault={faults["/idleTimeoutSeconds"]}
            onChange={(idleTimeoutSeconds) => onChange({ idleTimeoutSeconds })}
          />
        )}
      </div>
      {has.includes("network") && (
        <Checkbox
          label="May reach the public internet"
          hint="Through the worker's proxy; private addresses stay out of reach."
          checked={config["network"] !== false}
          onChange={(event) => onChange({ network: event.target.checked ? undefined : false })}
        />
      )}
      {has.includes("env") && (
        <PairsField
          label="Environment variables"
          value={pairsOf(config, "env")}
          faults={faultsBelow(faults, "/env")}
          onChange={(env) => onChange({ env: orNone(env) })}
        />
      )}
    </div>
  );
}
