import { CircleAlert, type LucideIcon, RotateCw } from "lucide-react";
import type { ReactNode } from "react";
import { ApiError } from "../api/problem.js";
import { Button } from "./button.js";
import styles from "./states.module.css";

/** Nothing is here, and what to do about it. */
export function EmptyState({
  icon: Icon,
  title,
  children,
  action,
}: {
  readonly icon: LucideIcon;
  readonly title: string;
  readonly children?: ReactNode;
  readonly action?: ReactNode;
}) {
  return (
    <div className={styles["state"]}>
      <span className={styles["icon"]}>
        <Icon size={20} aria-hidden />
      </span>
      <p className={styles["title"]}>{title}</p>
      {children && <div className={styles["text"]}>{children}</div>}
      {action && <div className={styles["action"]}>{action}</div>}
    </div>
  );
}

/** What went wrong, in words, with the id under which the server has logged it. */
export function ErrorPanel({
  error,
  title,
  onRetry,
}: {
  readonly error: unknown;
  readonly title?: string;
  onRetry?: (() => void) | undefined;
}) {
  const problem = error instanceof ApiError ? error : undefined;
  const message = error instanceof Error ? error.message : String(error);
  return (
    <div className={styles["state"]} role="alert">
      <span className={`${styles["icon"]} ${styles["bad"]}`}>
        <CircleAlert size={20} aria-hidden />
      </span>
      <p className={styles["title"]}>{title ?? problem?.title ?? "Something went wrong"}</p>
      <div className={styles["text"]}>
        <p>{message}</p>
        {problem && problem.faults.length > 0 && <FaultList faults={problem.faults} />}
        {problem?.requestId && (
          <p className={styles["request"]}>
            Request <code>{problem.requestId}</code>
          </p>
        )}
      </div>
      {onRetry && (
        <div className={styles["action"]}>
          <Button icon={RotateCw} onClick={onRetry}>
            Try again
          </Button>
        </div>
      )}
    </div>
  );
}

/** Every fault of a request with its place. */
export function FaultList({ faults }: { readonly faults: ApiError["faults"] }) {
  return (
    <ul className={styles["faults"]}>
      {faults.map(({ path, message }) => (
        <li key={`${path} ${message}`}>
          {path !== "" && <code>{path}</code>} {message}
        </li>
      ))}
    </ul>
  );
}

/** A fault of what a form has sent, over its buttons; nothing when there is none. */
export function FormFault({ error }: { readonly error: unknown }) {
  if (error === undefined || error === null) return null;
  const problem = error instanceof ApiError ? error : undefined;
  return (
    <div className={styles["formFault"]} role="alert">
      <p>{error instanceof Error ? error.message : String(error)}</p>
      {problem && problem.faults.length > 0 && <FaultList faults={problem.faults} />}
      {problem?.requestId && <p className={styles["request"]}>Request {problem.requestId}</p>}
    </div>
  );
}

/** The shape of what is about to be there. */
export function Skeleton({ lines = 3, height = 14 }: { readonly lines?: number; readonly height?: number }) {
  return (
    <div className={styles["skeleton"]} aria-busy="true">
      <span className="visually-hidden">Loading …</span>
      {Array.from({ length: lines }, (_, line) => (
        <span key={line} style={{ height, width: `${[92, 74, 83, 61][line % 4]}%` }} />
      ))}
    </div>
  );
}
