import { ChevronRight } from "lucide-react";
import { type ReactNode, useEffect, useRef } from "react";
import { Link } from "wouter";
import { hasNavigated } from "../app/has-navigated.js";
import styles from "./page-header.module.css";

/** One place above the page. */
export interface Crumb {
  readonly label: string;
  readonly to: string;
}

/**
 * A page's heading: names the document, and takes the focus when somebody comes from another page, so that who reads
 * by ear or keyboard starts here.
 */
export function PageHeader({
  title,
  documentTitle,
  crumbs = [],
  beside,
  actions,
  children,
}: {
  readonly title: ReactNode;
  /** Given where `title` is more than text. */
  readonly documentTitle?: string;
  readonly crumbs?: readonly Crumb[];
  /** Right after the title: a status. */
  readonly beside?: ReactNode;
  readonly actions?: ReactNode;
  /** A line below. */
  readonly children?: ReactNode;
}) {
  const heading = useRef<HTMLHeadingElement>(null);
  const name = documentTitle ?? (typeof title === "string" ? title : "Headrace");
  useEffect(() => {
    document.title = `${name} – Headrace`;
  }, [name]);
  useEffect(() => {
    if (hasNavigated()) heading.current?.focus({ preventScroll: true });
  }, []);
  return (
    <header className={styles["header"]}>
      <div className={styles["main"]}>
        {crumbs.length > 0 && (
          <nav aria-label="Breadcrumb">
            <ol className={styles["crumbs"]}>
              {crumbs.map(({ label, to }) => (
                <li key={to}>
                  <Link to={to}>{label}</Link>
                  <ChevronRight size={12} aria-hidden />
                </li>
              ))}
            </ol>
          </nav>
        )}
        <div className={styles["line"]}>
          <h1 ref={heading} tabIndex={-1} className={styles["title"]}>
            {title}
          </h1>
          {beside}
        </div>
        {children && <div className={styles["below"]}>{children}</div>}
      </div>
      {actions && <div className={styles["actions"]}>{actions}</div>}
    </header>
  );
}
