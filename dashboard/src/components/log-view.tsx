import { useVirtualizer } from "@tanstack/react-virtual";
import { ArrowDownToLine, ChevronDown, ChevronUp, Download, ScrollText, Search } from "lucide-react";
import { useDeferredValue, useEffect, useMemo, useRef, useState } from "react";
import { parseAnsi, stripAnsi } from "./ansi.js";
import { Button } from "./button.js";
import { Input } from "./field.js";
import styles from "./log-view.module.css";
import { EmptyState } from "./states.js";

/** One line. */
export interface LogEntry {
  readonly at: string;
  readonly stream: "stdout" | "stderr" | "system";
  readonly message: string;
  /** Who wrote it, where more than one does. */
  readonly source?: string;
}

const LINE_HEIGHT = 19;

/**
 * A log of any length: what is in sight is rendered. It follows its end until somebody scrolls up, finds text, and
 * can be downloaded.
 */
export function LogView({
  entries,
  fileName,
  isLive = false,
  height = "100%",
}: {
  readonly entries: readonly LogEntry[];
  readonly fileName: string;
  /** More may come. */
  readonly isLive?: boolean;
  readonly height?: string;
}) {
  const scroller = useRef<HTMLDivElement>(null);
  const [isFollowing, setFollowing] = useState(true);
  const search = useLogSearch(entries);
  const virtualizer = useVirtualizer({
    count: entries.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => LINE_HEIGHT,
    overscan: 20,
  });
  useEffect(() => {
    if (isFollowing && entries.length > 0) virtualizer.scrollToIndex(entries.length - 1, { align: "end" });
  }, [isFollowing, entries.length, virtualizer]);
  const { current } = search;
  useEffect(() => {
    if (current !== undefined) virtualizer.scrollToIndex(current, { align: "center" });
  }, [current, virtualizer]);

  return (
    <div className={styles["view"]} style={{ height }}>
      <LogTools
        search={search}
        isFollowing={isFollowing}
        onFollow={() => setFollowing(!isFollowing)}
        onDownload={() => downloadLog(entries, fileName)}
      />
      {/* what scrolls must be reachable by keyboard */}
      <div
        ref={scroller}
        className={styles["lines"]}
        tabIndex={0}
        role="log"
        aria-label="Log"
        aria-live="off"
        onWheel={(event) => event.deltaY < 0 && setFollowing(false)}
        onKeyDown={(event) => /^(ArrowUp|PageUp|Home)$/.test(event.key) && setFollowing(false)}
      >
        {entries.length === 0 ? (
          <EmptyState
            icon={ScrollText}
            title={isLive ? "Nothing has been written yet" : "Nothing was written"}
          >
            What the code prints is shown here, as it comes.
          </EmptyState>
        ) : (
          <div className={styles["sheet"]} style={{ height: virtualizer.getTotalSize() }}>
            {virtualizer.getVirtualItems().map(({ index, start }) => {
              const entry = entries[index];
              return (
                entry && (
                  <LogLine
                    key={index}
                    entry={entry}
                    top={start}
                    number={index + 1}
                    find={search.text}
                    isCurrent={index === current}
                  />
                )
              );
            })}
          </div>
        )}
      </div>
    </div>
  );
}

function LogTools({
  search,
  isFollowing,
  onFollow,
  onDownload,
}: {
  readonly search: LogSearch;
  readonly isFollowing: boolean;
  onFollow(): void;
  onDownload(): void;
}) {
  return (
    <div className={styles["tools"]}>
      <div className={styles["search"]}>
        <Input
          icon={Search}
          type="search"
          aria-label="Find in the log"
          placeholder="Find"
          value={search.text}
          onChange={(event) => search.setText(event.target.value)}
          onKeyDown={(event) => event.key === "Enter" && search.move(event.shiftKey ? -1 : 1)}
        />
      </div>
      {search.text !== "" && (
        <>
          <span className={styles["found"]} role="status">
            {search.found === 0 ? "None" : `${search.at + 1} of ${search.found}`}
          </span>
          <Button
            size="s"
            variant="quiet"
            icon={ChevronUp}
            aria-label="Previous"
            onClick={() => search.move(-1)}
          />
          <Button
            size="s"
            variant="quiet"
            icon={ChevronDown}
            aria-label="Next"
            onClick={() => search.move(1)}
          />
        </>
      )}
      <span className={styles["space"]} />
      <Button
        size="s"
        variant="quiet"
        icon={ArrowDownToLine}
        aria-label="Follow the end"
        title="Follow the end"
        aria-pressed={isFollowing}
        onClick={onFollow}
      />
      <Button
        size="s"
        variant="quiet"
        icon={Download}
        aria-label="Download the log"
        title="Download the log"
        onClick={onDownload}
      />
    </div>
  );
}

function LogLine({
  entry,
  top,
  number,
  find,
  isCurrent,
}: {
  readonly entry: LogEntry;
  readonly top: number;
  readonly number: number;
  readonly find: string;
  readonly isCurrent: boolean;
}) {
  return (
    <div
      className={`${styles["line"]} ${styles[entry.stream]} ${isCurrent ? styles["current"] : ""}`}
      style={{ top }}
    >
      <span className={styles["number"]}>{number}</span>
      <span className={styles["time"]} title={entry.at}>
        {CLOCK.format(new Date(entry.at))}
      </span>
      {entry.source !== undefined && <span className={styles["source"]}>{entry.source}</span>}
      <span>
        {parseAnsi(entry.message).map(({ text, color, isBold, isDim }, index) => (
          <span
            // spans of a line never change their places
            key={index}
            className={`${color === undefined ? "" : styles[`color${color % 8}`]} ${isBold ? styles["bold"] : ""} ${isDim ? styles["dim"] : ""}`}
          >
            <Marked text={text} find={find} />
          </span>
        ))}
      </span>
    </div>
  );
}

/** A text with every place marked where something is found. */
function Marked({ text, find }: { readonly text: string; readonly find: string }) {
  if (find === "") return text;
  const held = text.toLowerCase();
  const parts: React.ReactNode[] = [];
  let at = 0;
  for (;;) {
    const next = held.indexOf(find.toLowerCase(), at);
    if (next === -1) break;
    parts.push(text.slice(at, next), <mark key={next}>{text.slice(next, next + find.length)}</mark>);
    at = next + find.length;
  }
  parts.push(text.slice(at));
  return parts;
}

interface LogSearch {
  readonly text: string;
  setText(text: string): void;
  readonly found: number;
  /** Which of those found, from 0. */
  readonly at: number;
  /** Its line. */
  readonly current: number | undefined;
  move(by: 1 | -1): void;
}

function useLogSearch(entries: readonly LogEntry[]): LogSearch {
  const [text, setText] = useState("");
  const [at, setAt] = useState(0);
  const settled = useDeferredValue(text);
  const found = useMemo(() => {
    if (settled === "") return [];
    const wanted = settled.toLowerCase();
    return entries.flatMap(({ message }, index) =>
      stripAnsi(message).toLowerCase().includes(wanted) ? [index] : [],
    );
  }, [entries, settled]);
  const held = found.length === 0 ? 0 : at % found.length;
  return {
    text,
    setText(next) {
      setText(next);
      setAt(0);
    },
    found: found.length,
    at: held,
    current: found[held],
    move: (by) => setAt(found.length === 0 ? 0 : (held + by + found.length) % found.length),
  };
}

const CLOCK = new Intl.DateTimeFormat("en-GB", {
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  fractionalSecondDigits: 3,
});

function downloadLog(entries: readonly LogEntry[], fileName: string): void {
  const text = entries
    .map(
      ({ at, stream, source, message }) =>
        `${at} ${stream}${source ? ` ${source}` : ""} ${stripAnsi(message)}\n`,
    )
    .join("");
  const url = URL.createObjectURL(new Blob([text], { type: "text/plain" }));
  const link = document.createElement("a");
  link.href = url;
  link.download = fileName;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
