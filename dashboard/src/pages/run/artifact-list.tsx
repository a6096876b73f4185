import { ChevronRight, Download, File } from "lucide-react";
import { useState } from "react";
import { apiUrl } from "../../api/request.js";
import type { ArtifactRef } from "../../api/shapes.js";
import { formatBytes } from "../../format/numbers.js";
import styles from "./artifacts.module.css";
import { ArtifactPreviewView } from "./artifact-preview.js";

/** Files that steps left: each opens to what can be shown of it, and can be downloaded. */
export function ArtifactList<File extends ArtifactRef>({
  artifacts,
  ownerOf,
}: {
  readonly artifacts: readonly File[];
  /** Whose a file is, where that is not plain. */
  ownerOf?(file: File): string | undefined;
}) {
  const [open, setOpen] = useState<string | undefined>(artifacts[0]?.id);
  return (
    <ul className={styles["files"]}>
      {artifacts.map((artifact) => {
        const { id, name, contentType, sizeBytes } = artifact;
        const owner = ownerOf?.(artifact);
        return (
          <li key={id}>
            <div className={styles["file"]}>
              <button
                type="button"
                aria-expanded={open === id}
                onClick={() => setOpen(open === id ? undefined : id)}
              >
                <ChevronRight size={13} aria-hidden />
                <File size={14} aria-hidden />
                <span className={styles["fileName"]}>{name}</span>
                <span className={styles["dim"]}>
                  {owner !== undefined && `${owner} · `}
                  {formatBytes(sizeBytes)} · {contentType.replace(/;.*/, "")}
                </span>
              </button>
              <a
                href={apiUrl(`/artifacts/${id}`)}
                download={name}
                aria-label={`Download ${name}`}
                title={`Download ${name}`}
              >
                <Download size={15} aria-hidden />
              </a>
            </div>
            {open === id && <ArtifactPreviewView id={id} name={name} />}
          </li>
        );
      })}
    </ul>
  );
}
