import { ArrowDown, ArrowUp, FileUp, Plus, Trash2 } from "lucide-react";
import { useRef, useState } from "react";
import { Button } from "../../components/button.js";
import { Field, Input, Select } from "../../components/field.js";
import layout from "../../components/layout.module.css";
import { showFault } from "../../components/toasts.js";
import { CodeEditor } from "../../editors/code-editor.js";
import type { ConfigEditorProps } from "./config-editor.js";
import { faultAt, textOf } from "./config-values.js";
import { LimitsFields } from "./limits-fields.js";
import { type Cell, cellsOf, moveCell, readNotebook } from "./notebook-cells.js";
import styles from "./mcp-editor.module.css";

/** A notebook: its cells in their order. */
export function NotebookConfig({ config, onChange, faults }: ConfigEditorProps) {
  const cells = cellsOf(config);
  const { keys, set, move, add, remove, upload } = useCells(cells, onChange);
  const file = useRef<HTMLInputElement>(null);
  return (
    <div className={layout["form"]}>
      <div className={layout["line"]}>
        <Button size="s" icon={FileUp} onClick={() => file.current?.click()}>
          Take cells from an .ipynb file
        </Button>
        <input
          ref={file}
          type="file"
          accept=".ipynb,application/json"
          hidden
          aria-label="Notebook file"
          onChange={(event) => void upload(event.target.files?.[0])}
        />
        <span className={layout["dim"]}>
          Inputs override the cell tagged “parameters”; the variable “outputs” is the output.
        </span>
      </div>
      <ol className={styles["cells"]} aria-label="Cells">
        {cells.map((cell, index) => (
          <li key={keys[index] ?? index}>
            <CellEditor
              cell={cell}
              index={index}
              count={cells.length}
              fault={faultAt(faults, `/cells/${index}`)}
              onChange={(changes) =>
                set(cells.map((each, at) => (at === index ? { ...each, ...changes } : each)))
              }
              onMove={(by) => move(index, by)}
              onRemove={() => remove(index)}
              onAdd={(cellType) => add(index + 1, cellType)}
            />
          </li>
        ))}
      </ol>
      {faults["/cells"] && <p className={styles["fault"]}>{faults["/cells"]}</p>}
      {cells.length === 0 && (
        <div>
          <Button size="s" icon={Plus} onClick={() => add(0, "code")}>
            Add a cell
          </Button>
        </div>
      )}
      <Field label="Kernel" fault={faults["/kernel"]}>
        {(control) => (
          <Input
            {...control}
            placeholder="python3"
            value={textOf(config, "kernel")}
            onChange={(event) => onChange({ kernel: event.target.value || undefined })}
          />
        )}
      </Field>
      <LimitsFields
        config={config}
        onChange={onChange}
        faults={faults}
        has={["timeoutSeconds", "memoryMb", "network", "env"]}
      />
    </div>
  );
}

/** What can be done to the cells. */
function useCells(cells: readonly Cell[], onChange: ConfigEditorProps["onChange"]) {
  // a cell keeps its editor when it moves
  const [keys, setKeys] = useState(() => cells.map((_cell, index) => index));
  const next = useRef(cells.length);
  const set = (changed: readonly Cell[]) => onChange({ cells: changed, notebook: undefined });
  const move = (index: number, by: -1 | 1) => {
    set(moveCell(cells, index, by));
    setKeys((before) =>
      moveCell(
        before.map((key) => ({ cellType: "code" as const, source: String(key) })),
        index,
        by,
      ).map(({ source }) => Number(source)),
    );
  };
  const add = (at: number, cellType: Cell["cellType"]) => {
    next.current += 1;
    set([...cells.slice(0, at), { cellType, source: "" }, ...cells.slice(at)]);
    setKeys((before) => [...before.slice(0, at), next.current, ...before.slice(at)]);
  };
  const remove = (index: number) => {
    set(cells.filter((_cell, at) => at !== index));
    setKeys((before) => before.filter((_key, at) => at !== index));
  };
  async function upload(chosen: File | undefined): Promise<void> {
    if (!chosen) return;
    try {
      const read = readNotebook(await chosen.text());
      set(read);
      setKeys(read.map(() => (next.current += 1)));
    } catch (error) {
      showFault("Could not read the notebook", error);
    }
  }
  return { keys, set, move, add, remove, upload };
}

function CellEditor({
  cell,
  index,
  count,
  fault,
  onChange,
  onMove,
  onRemove,
  onAdd,
}: {
  readonly cell: Cell;
  readonly index: number;
  readonly count: number;
  readonly fault: string | undefined;
  onChange(changes: Partial<Cell>): void;
  onMove(by: -1 | 1): void;
  onRemove(): void;
  onAdd(cellType: Cell["cellType"]): void;
}) {
  const number = index + 1;
  const isParameters = cell.tags?.includes("parameters") ?? false;
  return (
    <div className={styles["cell"]}>
      <div className={styles["cellHead"]}>
        <Select
          aria-label={`Kind of cell ${number}`}
          value={cell.cellType}
          options={[
            { value: "code", label: "Code" },
            { value: "markdown", label: "Markdown" },
          ]}
          onChange={(event) => onChange({ cellType: event.target.value as Cell["cellType"] })}
        />
        {cell.cellType === "code" && (
          <label className={styles["tag"]}>
            <input
              type="checkbox"
              checked={isParameters}
              onChange={(event) => {
                const others = (cell.tags ?? []).filter((tag) => tag !== "parameters");
                onChange({ tags: event.target.checked ? [...others, "parameters"] : others });
              }}
            />
            parameters
          </label>
        )}
        <span className={styles["space"]} />
        <CellActions {...{ number, index, count, onMove, onRemove, onAdd }} />
      </div>
      <CodeEditor
        label={`Cell ${number}`}
        isLabelHidden
        language={cell.cellType === "code" ? "python" : "markdown"}
        rows={[2, 24]}
        value={cell.source}
        fault={fault}
        onChange={(source) => onChange({ source })}
      />
    </div>
  );
}

function CellActions({
  number,
  index,
  count,
  onMove,
  onRemove,
  onAdd,
}: {
  readonly number: number;
  readonly index: number;
  readonly count: number;
  onMove(by: -1 | 1): void;
  onRemove(): void;
  onAdd(cellType: Cell["cellType"]): void;
}) {
  return (
    <>
      <Button
        variant="quiet"
        size="s"
        icon={ArrowUp}
        aria-label={`Move cell ${number} up`}
        disabled={index === 0}
        onClick={() => onMove(-1)}
      />
      <Button
        variant="quiet"
        size="s"
        icon={ArrowDown}
        aria-label={`Move cell ${number} down`}
        disabled={index === count - 1}
        onClick={() => onMove(1)}
      />
      <Button
        variant="quiet"
        size="s"
        icon={Plus}
        aria-label={`Add a cell after ${number}`}
        onClick={() => onAdd("code")}
      />
      <Button
        variant="quiet"
        size="s"
        icon={Trash2}
        aria-label={`Delete cell ${number}`}
        onClick={onRemove}
      />
    </>
  );
}
