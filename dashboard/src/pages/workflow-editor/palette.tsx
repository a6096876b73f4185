import { Search } from "lucide-react";
import { useState } from "react";
import { matchesWords } from "../../app/match-words.js";
import { Input } from "../../components/field.js";
import { DRAG_TYPE } from "./drag-type.js";
import { StepIcon } from "./step-icon.js";
import { BUILTINS } from "./step-look.js";
import styles from "./workflow-editor.module.css";
import type { Catalog } from "./use-catalog.js";

interface Entry {
  readonly uses: string;
  readonly label: string;
  readonly hint: string;
  readonly mcpType?: string;
}

/** What steps can be made of: a click adds one, or it is dragged to its place. */
export function Palette({ catalog, onAdd }: { readonly catalog: Catalog; onAdd(uses: string): void }) {
  const [text, setText] = useState("");
  const groups: readonly (readonly [string, readonly Entry[]])[] = [
    [
      "Components",
      catalog.components
        .filter(({ latestVersion }) => latestVersion !== null)
        .map(({ name, mcpType, latestVersion, description }) => ({
          uses: `mcp:${name}@${latestVersion?.version}`,
          label: name,
          hint: description || name,
          mcpType,
        })),
    ],
    [
      "Built in",
      BUILTINS.map(({ name, label, description }) => ({
        uses: `builtin:${name}`,
        label,
        hint: description,
      })),
    ],
    [
      "Workflows",
      catalog.workflows.map(({ name, description }) => ({
        uses: `workflow:${name}`,
        label: name,
        hint: description || name,
      })),
    ],
  ];
  return (
    <aside className={styles["palette"]} aria-label="Steps to add">
      <Input
        icon={Search}
        type="search"
        aria-label="Search steps to add"
        placeholder="Add a step …"
        value={text}
        onChange={(event) => setText(event.target.value)}
      />
      <div className={styles["entries"]} tabIndex={-1}>
        {groups.map(([title, entries]) => {
          const found = entries.filter((entry) => matchesWords(`${entry.label} ${entry.uses}`, text.trim()));
          if (found.length === 0) return null;
          return (
            <section key={title} aria-label={title}>
              <h2>{title}</h2>
              {found.map((entry) => (
                <PaletteEntry key={entry.uses} entry={entry} onAdd={onAdd} />
              ))}
            </section>
          );
        })}
      </div>
    </aside>
  );
}

function PaletteEntry({ entry, onAdd }: { readonly entry: Entry; onAdd(uses: string): void }) {
  return (
    <button
      type="button"
      className={styles["entry"]}
      title={entry.hint}
      draggable
      onDragStart={(event) => {
        event.dataTransfer.setData(DRAG_TYPE, entry.uses);
        event.dataTransfer.effectAllowed = "copy";
      }}
      onClick={() => onAdd(entry.uses)}
    >
      <StepIcon uses={entry.uses} mcpType={entry.mcpType} size={15} />
      <span className="cut">{entry.label}</span>
    </button>
  );
}
