import { Link } from "wouter";
import { runsPath } from "../../app/page-paths.js";
import { ErrorPanel } from "../../components/states.js";
import { formatCount, formatShare } from "../../format/numbers.js";
import type { Tone } from "../../format/status.js";
import styles from "./stat-tiles.module.css";
import { useSummary } from "./use-summary.js";

interface Tile {
  readonly label: string;
  readonly value: string | undefined;
  readonly hint?: string;
  readonly tone?: Tone;
  readonly to?: string;
}

/** The figures that are looked at first; each leads to its runs. */
export function StatTiles() {
  const { data, error, refetch } = useSummary();
  if (error && !data) return <ErrorPanel error={error} onRetry={() => void refetch()} />;
  const runs = data?.runs;
  const count = (value: number | undefined) => (value === undefined ? undefined : formatCount(value));
  const share = runs?.successRate24h;
  const failed = runs?.failed24h ?? 0;
  const tiles: Tile[] = [
    {
      label: "Running",
      value: count(runs?.active),
      to: runsPath({ status: "running" }),
      ...((runs?.active ?? 0) > 0 ? { tone: "busy" as const } : {}),
    },
    {
      label: "Waiting",
      value: count(runs?.waiting),
      to: runsPath({ status: "waiting" }),
      ...((runs?.waiting ?? 0) > 0 ? { tone: "wait" as const } : {}),
    },
    { label: "Queued", value: count(runs?.queued), to: runsPath({ status: "queued" }) },
    {
      label: "Failed",
      hint: "24 h",
      value: count(runs?.failed24h),
      to: runsPath({ status: "failed", since: "24h" }),
      ...(failed > 0 ? { tone: "bad" as const } : {}),
    },
    {
      label: "Succeeded",
      hint: "24 h",
      value: count(runs?.succeeded24h),
      to: runsPath({ status: "succeeded", since: "24h" }),
    },
    {
      label: "Success rate",
      hint: "24 h",
      value: runs === undefined ? undefined : share == null ? "–" : formatShare(share),
    },
  ];
  return (
    <ul className={styles["tiles"]}>
      {tiles.map((tile) => (
        <li key={tile.label}>
          <TileBody tile={tile} />
        </li>
      ))}
    </ul>
  );
}

function TileBody({ tile: { label, value, hint, tone, to } }: { readonly tile: Tile }) {
  const body = (
    <>
      <span className={styles["label"]}>
        {label}
        {hint && <span className={styles["hint"]}>{hint}</span>}
      </span>
      <span className={`${styles["value"]} ${tone ? styles[tone] : ""}`}>{value ?? " "}</span>
    </>
  );
  return to ? (
    <Link to={to} className={`${styles["tile"]} ${styles["link"]}`}>
      {body}
    </Link>
  ) : (
    <div className={styles["tile"]}>{body}</div>
  );
}
