import { Plus, X } from "lucide-react";
import { useId, useState } from "react";
import { Button } from "./button.js";
import { Input } from "./field.js";
import styles from "./pairs-field.module.css";

/** Names and texts: environment variables, headers. */
export function PairsField({
  label,
  value,
  onChange,
  nameLabel = "Name",
  valueLabel = "Value",
  faults = {},
}: {
  readonly label: string;
  readonly value: Readonly<Record<string, string>>;
  onChange(value: Record<string, string>): void;
  readonly nameLabel?: string;
  readonly valueLabel?: string;
  /** Message by name. */
  readonly faults?: Readonly<Record<string, string>>;
}) {
  // rows, since a name may be empty or twice while it is being written
  const [rows, setRows] = useState<readonly (readonly [string, string])[]>(() => Object.entries(value));
  const id = useId();
  function set(next: readonly (readonly [string, string])[]): void {
    setRows(next);
    onChange(Object.fromEntries(next.filter(([name]) => name !== "")));
  }
  return (
    <div className={styles["pairs"]} role="group" aria-labelledby={id}>
      <span id={id} className={styles["label"]}>
        {label}
      </span>
      {rows.map(([name, text], index) => (
        <div key={index} className={styles["pair"]}>
          <Input
            aria-label={`${label}: ${nameLabel} ${index + 1}`}
            placeholder={nameLabel}
            value={name}
            aria-invalid={faults[name] ? true : undefined}
            onChange={(event) =>
              set(rows.map((row, at) => (at === index ? [event.target.value, row[1]] : row)))
            }
          />
          <Input
            aria-label={`${label}: ${valueLabel} ${index + 1}`}
            placeholder={valueLabel}
            value={text}
            onChange={(event) =>
              set(rows.map((row, at) => (at === index ? [row[0], event.target.value] : row)))
            }
          />
          <Button
            variant="quiet"
            icon={X}
            aria-label={`Remove ${name || `row ${index + 1}`}`}
            onClick={() => set(rows.filter((_row, at) => at !== index))}
          />
          {faults[name] && <p className={styles["fault"]}>{faults[name]}</p>}
        </div>
      ))}
      <div>
        <Button variant="quiet" size="s" icon={Plus} onClick={() => setRows([...rows, ["", ""]])}>
          Add
        </Button>
      </div>
    </div>
  );
}
