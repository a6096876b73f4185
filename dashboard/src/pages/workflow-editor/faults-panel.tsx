import { CircleCheck } from "lucide-react";
import type { Fault } from "../../api/problem.js";
import { EmptyState } from "../../components/states.js";
import styles from "./workflow-editor.module.css";

/** Every fault and warning; a click leads to where it is. */
export function FaultsPanel({
  errors,
  warnings,
  onGo,
}: {
  readonly errors: readonly Fault[];
  readonly warnings: readonly Fault[];
  onGo(path: string): void;
}) {
  if (errors.length + warnings.length === 0) {
    return (
      <EmptyState icon={CircleCheck} title="Nothing is wrong">
        The definition is checked while you write.
      </EmptyState>
    );
  }
  return (
    <ul className={styles["faultList"]}>
      {[
        ...errors.map((fault) => ({ ...fault, severity: "error" })),
        ...warnings.map((fault) => ({ ...fault, severity: "warning" })),
      ].map(({ path, message, severity }) => (
        <li key={`${path} ${message}`}>
          <button
            type="button"
            className={styles["faultItem"]}
            data-severity={severity}
            onClick={() => onGo(path)}
          >
            <code>{path || "definition"}</code>
            <span>
              <span className="visually-hidden">{severity}: </span>
              {message}
            </span>
          </button>
        </li>
      ))}
    </ul>
  );
}
