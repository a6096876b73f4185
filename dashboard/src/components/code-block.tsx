import { CopyButton } from "./copy-button.js";
import styles from "./code-block.module.css";

/** Text as it is, in type of one width: code, traces, commands. */
export function CodeBlock({
  text,
  label,
  tone = "plain",
  isWrapped = false,
}: {
  readonly text: string;
  /** What it is: names the copy button. */
  readonly label: string;
  readonly tone?: "plain" | "bad";
  readonly isWrapped?: boolean;
}) {
  return (
    <div className={styles["frame"]}>
      <pre
        // what scrolls must be reachable by keyboard
        tabIndex={0}
        role="region"
        aria-label={label}
        className={`${styles["block"]} ${styles[tone]} ${isWrapped ? styles["wrapped"] : ""}`}
      >
        {text}
      </pre>
      <CopyButton text={() => text} what={label} />
    </div>
  );
}
