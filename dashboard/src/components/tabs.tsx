import { Tabs as Primitive } from "radix-ui";
import type { ReactNode } from "react";
import styles from "./tabs.module.css";

/** One tab. */
export interface Tab<Id extends string> {
  readonly id: Id;
  readonly label: ReactNode;
  /** A figure beside the label. */
  readonly count?: number | undefined;
  render(): ReactNode;
}

/** Tabs of one view; arrows move between them, and only the open one is rendered. */
export function Tabs<Id extends string>({
  label,
  tabs,
  open,
  onOpen,
  side,
}: {
  readonly label: string;
  readonly tabs: readonly Tab<Id>[];
  readonly open: Id;
  onOpen(id: Id): void;
  /** What stands at the other end of the row. */
  readonly side?: ReactNode;
}) {
  return (
    <Primitive.Root
      className={styles["tabs"]}
      value={open}
      onValueChange={(id) => onOpen(id as Id)}
      activationMode="manual"
    >
      <div className={styles["row"]}>
        <Primitive.List className={styles["list"]} aria-label={label}>
          {tabs.map((tab) => (
            <Primitive.Trigger key={tab.id} value={tab.id} className={styles["tab"]}>
              {tab.label}
              {tab.count !== undefined && <span className={styles["count"]}>{tab.count}</span>}
            </Primitive.Trigger>
          ))}
        </Primitive.List>
        {side && <div className={styles["side"]}>{side}</div>}
      </div>
      {tabs.map((tab) => (
        <Primitive.Content key={tab.id} value={tab.id} className={styles["content"]} tabIndex={-1}>
          {tab.id === open && tab.render()}
        </Primitive.Content>
      ))}
    </Primitive.Root>
  );
}
