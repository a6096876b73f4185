import styles from "./runs-page.module.css";

/** Labels of a run; choosing one narrows the list to it. */
export function LabelChips({
  labels,
  onChoose,
}: {
  readonly labels: Readonly<Record<string, string>>;
  onChoose?(label: string): void;
}) {
  return Object.entries(labels).map(([name, value]) => {
    const text = (
      <>
        <span className={styles["dim"]}>{name}:</span>
        {value}
      </>
    );
    return onChoose ? (
      <button
        key={name}
        type="button"
        className={styles["chip"]}
        title={`Only ${name}:${value}`}
        onClick={() => onChoose(`${name}:${value}`)}
      >
        {text}
      </button>
    ) : (
      <span key={name} className={styles["chip"]}>
        {text}
      </span>
    );
  });
}
