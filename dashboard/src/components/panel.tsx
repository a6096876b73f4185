import type { ReactNode } from "react";
import styles from "./panel.module.css";

/** A framed part of a page with its heading. */
export function Panel({
  title,
  side,
  children,
  isFlush = false,
}: {
  readonly title?: ReactNode;
  /** What stands at the other end of the heading. */
  readonly side?: ReactNode;
  readonly children: ReactNode;
  /** The content goes to the frame: tables. */
  readonly isFlush?: boolean;
}) {
  return (
    <section className={styles["panel"]}>
      {(title || side) && (
        <header className={styles["header"]}>
          {title && <h2 className={styles["title"]}>{title}</h2>}
          {side && <div className={styles["side"]}>{side}</div>}
        </header>
      )}
      <div className={isFlush ? undefined : styles["body"]}>{children}</div>
    </section>
  );
}

/** Names and values, one a line. */
export function Facts({ children }: { readonly children: ReactNode }) {
  return <dl className={styles["facts"]}>{children}</dl>;
}

/** One of them. */
export function Fact({ name, children }: { readonly name: string; readonly children: ReactNode }) {
  return (
    <div className={styles["fact"]}>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}
