import { Play } from "lucide-react";
import { useState } from "react";
import type { infer as Infer } from "zod";
import type { queryResultSchema } from "../../../../src/contracts/api/external-db-configs.js";
import { apiRequest } from "../../api/request.js";
import { useChange } from "../../api/use-change.js";
import { useShortcuts } from "../../app/shortcuts.js";
import { Button } from "../../components/button.js";
import { Checkbox } from "../../components/field.js";
import layout from "../../components/layout.module.css";
import { Panel } from "../../components/panel.js";
import { FormFault } from "../../components/states.js";
import { CodeEditor } from "../../editors/code-editor.js";
import { formatDuration } from "../../format/duration.js";
import styles from "./database-page.module.css";

type QueryResult = Infer<typeof queryResultSchema>;

/** Asks a database, by itself in a transaction that can read and nothing more unless told otherwise. */
export function QueryPad({
  id,
  sql,
  onSql,
  blockedBecause,
}: {
  readonly id: string;
  readonly sql: string;
  onSql(sql: string): void;
  readonly blockedBecause: string | undefined;
}) {
  const [isReadOnly, setReadOnly] = useState(true);
  const [result, setResult] = useState<QueryResult & { readonly tookMs: number }>();
  const { change, isBusy, fault } = useChange();
  async function run(): Promise<void> {
    const startedAt = performance.now();
    const body = { sql, readOnly: isReadOnly, maxRows: 500 };
    const answer = await change(
      async () => await apiRequest<QueryResult>(`/external-db-configs/${id}/query`, { method: "POST", body }),
      {},
    );
    setResult(answer && { ...answer, tookMs: performance.now() - startedAt });
  }
  useShortcuts({ "mod+Enter": () => void run() });
  return (
    <div className={layout["stack"]}>
      <Panel title="Query">
        <div className={layout["form"]}>
          <CodeEditor label="SQL" isLabelHidden language="sql" rows={[6, 18]} value={sql} onChange={onSql} />
          <div className={layout["line"]}>
            <Button
              variant="primary"
              icon={Play}
              title="Ctrl Enter"
              isBusy={isBusy}
              blockedBecause={blockedBecause}
              onClick={() => void run()}
            >
              Run query
            </Button>
            <Checkbox
              label="Read only"
              checked={isReadOnly}
              onChange={(event) => setReadOnly(event.target.checked)}
            />
          </div>
          {!isReadOnly && (
            <p className={`${layout["note"]} ${layout["warn"]}`}>The next query may change data.</p>
          )}
          <FormFault error={fault} />
        </div>
      </Panel>
      {result && (
        <Panel
          title="Result"
          side={`${result.rowCount} rows${result.truncated ? ", cut off" : ""} in ${formatDuration(result.tookMs)}`}
          isFlush
        >
          <Results result={result} />
        </Panel>
      )}
    </div>
  );
}

function Results({ result }: { readonly result: QueryResult }) {
  return (
    <div className={styles["results"]} tabIndex={0} role="region" aria-label="Result">
      <table>
        <thead>
          <tr>
            {result.columns.map(({ name, type }, index) => (
              <th key={index} scope="col">
                {name} <span>{type}</span>
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {result.rows.map((row, index) => (
            <tr key={index}>
              {result.columns.map(({ name }, at) => (
                <td key={at} title={toText(row[name])}>
                  {row[name] === null ? <span className={styles["null"]}>null</span> : toText(row[name])}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function toText(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}
