import { ChevronRight } from "lucide-react";
import { memo, useState } from "react";
import { CopyButton } from "./copy-button.js";
import styles from "./json-view.module.css";

const MANY = 100;

/** JSON as a tree that opens, with a way to copy the whole. Long texts and arrays are shown in portions. */
export function JsonView({ value, label }: { readonly value: unknown; readonly label: string }) {
  if (value === null || typeof value !== "object") {
    return (
      <div className={styles["view"]}>
        <Leaf value={value} />
        <CopyButton text={() => (typeof value === "string" ? value : JSON.stringify(value))} what={label} />
      </div>
    );
  }
  return (
    <div className={styles["view"]}>
      <Node value={value} depth={0} />
      <CopyButton text={() => JSON.stringify(value, null, 2)} what={label} />
    </div>
  );
}

const Node = memo(function Node({
  name,
  value,
  depth,
}: {
  readonly name?: string;
  readonly value: unknown;
  readonly depth: number;
}) {
  const [isOpen, setOpen] = useState(depth < 2);
  const [most, setMost] = useState(MANY);
  if (value === null || typeof value !== "object") {
    return (
      <div className={styles["line"]}>
        {name !== undefined && <span className={styles["name"]}>{name}</span>}
        <Leaf value={value} />
      </div>
    );
  }
  const entries = Object.entries(value);
  const isArray = Array.isArray(value);
  const size = isArray ? `[${entries.length}]` : `{${entries.length}}`;
  return (
    <div className={styles["node"]}>
      <button
        type="button"
        className={styles["toggle"]}
        aria-expanded={isOpen}
        onClick={() => setOpen(!isOpen)}
        disabled={entries.length === 0}
      >
        <ChevronRight size={12} aria-hidden className={isOpen ? styles["open"] : undefined} />
        {name !== undefined && <span className={styles["name"]}>{name}</span>}
        <span className={styles["size"]}>{size}</span>
      </button>
      {isOpen && entries.length > 0 && (
        <div className={styles["children"]}>
          {entries.slice(0, most).map(([key, child]) => (
            <Node key={key} name={key} value={child} depth={depth + 1} />
          ))}
          {entries.length > most && (
            <button type="button" className={styles["more"]} onClick={() => setMost(most + 10 * MANY)}>
              {entries.length - most} more
            </button>
          )}
        </div>
      )}
    </div>
  );
});

const LONG_TEXT = 600;

function Leaf({ value }: { readonly value: unknown }) {
  const [isWhole, setWhole] = useState(false);
  if (typeof value !== "string") return <span className={styles["plain"]}>{String(value)}</span>;
  const isCut = value.length > LONG_TEXT && !isWhole;
  return (
    <span className={styles["text"]}>
      {JSON.stringify(isCut ? value.slice(0, LONG_TEXT) : value)
        .slice(1, -1)
        .replaceAll("\\n", "\n")
        .replaceAll('\\"', '"')}
      {isCut && (
        <button type="button" className={styles["more"]} onClick={() => setWhole(true)}>
          … {value.length - LONG_TEXT} more characters
        </button>
      )}
    </span>
  );
}
