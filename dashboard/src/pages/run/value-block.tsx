import { Download } from "lucide-react";
import { apiUrl } from "../../api/request.js";
import { JsonView } from "../../components/json-view.js";
import { formatBytes } from "../../format/numbers.js";
import styles from "./step-panel.module.css";

/** An input or output; one that is kept as a file can be downloaded. */
export function ValueBlock({
  title,
  value,
  artifact,
  isOmitted = false,
}: {
  readonly title: string;
  readonly value: unknown;
  readonly artifact?: { readonly id: string; readonly sizeBytes: number } | undefined;
  readonly isOmitted?: boolean;
}) {
  return (
    <section className={styles["block"]} aria-label={title}>
      <h3>{title}</h3>
      {artifact ? (
        <p className={styles["dim"]}>
          Too large to show here ({formatBytes(artifact.sizeBytes)}).{" "}
          <a className={styles["link"]} href={apiUrl(`/artifacts/${artifact.id}`)} download>
            <Download size={13} aria-hidden /> Download
          </a>
        </p>
      ) : isOmitted ? (
        <p className={styles["dim"]}>Left out: the run's other steps have filled the answer.</p>
      ) : (
        <JsonView value={value ?? null} label={title.toLowerCase()} />
      )}
    </section>
  );
}
