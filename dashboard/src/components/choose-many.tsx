import { useId } from "react";
import { Checkbox } from "./field.js";
import styles from "./choose-many.module.css";

/** Several of a list. What is chosen and no longer in the list stays, so that it can be taken out. */
export function ChooseMany({
  label,
  options,
  value,
  onChange,
  empty,
  fault,
}: {
  readonly label: string;
  readonly options: readonly string[];
  readonly value: readonly string[];
  onChange(value: string[]): void;
  /** Said when there is nothing to choose from. */
  readonly empty: string;
  readonly fault?: string | undefined;
}) {
  const id = useId();
  const all = [...new Set([...options, ...value])];
  return (
    <div className={styles["many"]} role="group" aria-labelledby={id}>
      <span id={id} className={styles["label"]}>
        {label}
      </span>
      {all.length === 0 && <p className={styles["empty"]}>{empty}</p>}
      <div className={styles["options"]}>
        {all.map((option) => (
          <Checkbox
            key={option}
            label={option}
            checked={value.includes(option)}
            onChange={(event) =>
              onChange(event.target.checked ? [...value, option] : value.filter((each) => each !== option))
            }
          />
        ))}
      </div>
      {fault && <p className={styles["fault"]}>{fault}</p>}
    </div>
  );
}
