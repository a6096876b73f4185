import { PageHeader } from "../../components/page-header.js";
import { Select } from "../../components/field.js";
import { useUrlState } from "../../app/use-url-state.js";
import { ActivityPanel } from "./activity-panel.js";
import { AttentionPanel } from "./attention-panel.js";
import { Charts } from "./charts.js";
import { HealthPanel } from "./health-panel.js";
import styles from "./home-page.module.css";
import { QueuesPanel } from "./queues-panel.js";
import { SPANS, type SpanId } from "./spans.js";
import { StatTiles } from "./stat-tiles.js";
import { useHomeUpdates } from "./use-home-updates.js";
import { WorkersPanel } from "./workers-panel.js";

/** How everything does, at a glance and live. */
export function HomePage() {
  const [{ span }, setState] = useUrlState({ span: "24h" });
  const id: SpanId = span in SPANS ? (span as SpanId) : "24h";
  useHomeUpdates();
  return (
    <>
      <PageHeader
        title="Home"
        actions={
          <Select
            aria-label="Span of the charts"
            value={id}
            onChange={(event) => setState({ span: event.target.value })}
            options={Object.entries(SPANS).map(([value, { label }]) => ({ value, label }))}
          />
        }
      />
      <StatTiles />
      <Charts spanId={id} />
      <div className={styles["columns"]}>
        <div className={styles["wide"]}>
          <AttentionPanel />
          <ActivityPanel />
        </div>
        <div className={styles["narrow"]}>
          <HealthPanel />
          <WorkersPanel />
          <QueuesPanel />
        </div>
      </div>
    </>
  );
}
