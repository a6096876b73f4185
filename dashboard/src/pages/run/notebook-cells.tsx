import type { ArtifactPreview } from "../../../../src/contracts/api/artifacts.js";
import { CodeBlock } from "../../components/code-block.js";
import styles from "./artifacts.module.css";

type Cells = Extract<ArtifactPreview, { kind: "notebook" }>["cells"];

/** The cells of a notebook with what they gave: texts and pictures, never markup. */
export function NotebookCells({ cells }: { readonly cells: Cells }) {
  return (
    <ol className={styles["cells"]}>
      {cells.map(({ cellType, source, outputs }, index) => (
        <li key={index} className={styles["cell"]}>
          {cellType === "code" ? (
            <CodeBlock label={`cell ${index + 1}`} text={source} />
          ) : (
            <p className={styles["markdown"]}>{source}</p>
          )}
          {outputs.map((output, at) =>
            output.kind === "image" ? (
              <img
                key={at}
                className={styles["image"]}
                src={`data:${output.mimeType};base64,${output.data}`}
                alt={`Output of cell ${index + 1}`}
              />
            ) : (
              <CodeBlock
                key={at}
                label={`output of cell ${index + 1}`}
                text={output.text}
                tone={output.kind === "error" ? "bad" : "plain"}
                isWrapped
              />
            ),
          )}
        </li>
      ))}
    </ol>
  );
}
