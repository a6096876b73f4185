import { useQuery } from "@tanstack/react-query";
import type { ArtifactPreview } from "../../../../src/contracts/api/artifacts.js";
import { queryKeys } from "../../api/query-keys.js";
import { apiRequest } from "../../api/request.js";
import { CodeBlock } from "../../components/code-block.js";
import { ErrorPanel, Skeleton } from "../../components/states.js";
import styles from "./artifacts.module.css";
import { NotebookCells } from "./notebook-cells.js";

/** What the server can show of a file. HTML comes without scripts and without an origin. */
export function ArtifactPreviewView({ id, name }: { readonly id: string; readonly name: string }) {
  const { data, error, refetch } = useQuery({
    queryKey: queryKeys.artifact(id),
    queryFn: async ({ signal }) => await apiRequest<ArtifactPreview>(`/artifacts/${id}/preview`, { signal }),
    staleTime: Number.POSITIVE_INFINITY,
  });
  if (error) return <ErrorPanel error={error} onRetry={() => void refetch()} />;
  if (!data) return <Skeleton />;
  return (
    <div className={styles["preview"]}>
      <Preview preview={data} name={name} />
      {data.isCut && <p className={styles["dim"]}>There is more: download it to see all.</p>}
    </div>
  );
}

function Preview({ preview, name }: { readonly preview: ArtifactPreview; readonly name: string }) {
  switch (preview.kind) {
    case "text":
    case "json":
      return <CodeBlock label={name} text={preview.text} />;
    case "csv":
      return <Table columns={preview.columns} rows={preview.rows} label={name} />;
    case "notebook":
      return <NotebookCells cells={preview.cells} />;
    case "image":
      return <img className={styles["image"]} src={preview.contentUrl} alt={name} />;
    case "html":
      return <iframe className={styles["page"]} src={preview.contentUrl} title={name} sandbox="" />;
    default:
      return <p className={styles["dim"]}>This kind of file cannot be shown here.</p>;
  }
}

function Table({
  columns,
  rows,
  label,
}: {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
  readonly label: string;
}) {
  return (
    // what scrolls must be reachable by keyboard
    <div className={styles["tableFrame"]} tabIndex={0} role="region" aria-label={label}>
      <table className={styles["table"]}>
        <thead>
          <tr>
            {columns.map((column, index) => (
              <th key={index} scope="col">
                {column}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row, index) => (
            <tr key={index}>
              {row.map((cell, at) => (
                <td key={at}>{cell}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
