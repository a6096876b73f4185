import type { ArtifactPreview } from "../../../../src/contracts/api/artifacts.js";
import { CodeBlock } from "../../components/code-block.js";
import styles from "./artifacts.module.css";

/** One cell of an executed notebook. */
export type NotebookCell = Extract<ArtifactPreview, { kind: "notebook" }>["cells"][number];

/** The cells of a notebook with what they gave: texts and pictures, never markup. */
export function NotebookCells({ cells }: { readonly cells: readonly NotebookCell[] }) {
  return (
    <ol className={styles["cells"]}>
      {cells.map((cell, index) => (
        <li key={index} className={styles["cell"]}>
          <CellSource cell={cell} index={index} />
          <CellOutputs cell={cell} index={index} />
        </li>
      ))}
    </ol>
  );
}

/** What is written in a cell. */
export function CellSource({ cell, index }: { readonly cell: NotebookCell; readonly index: number }) {
  if (cell.cellType !== "code") return <p className={styles["markdown"]}>{cell.source}</p>;
  return <CodeBlock label={`cell ${index + 1}`} text={cell.source} />;
}

/** What a cell gave. */
export function CellOutputs({ cell, index }: { readonly cell: NotebookCell; readonly index: number }) {
  return cell.outputs.map((output, at) =>
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
  );
}
