import { CircleAlert, CircleCheck, X } from "lucide-react";
import { useSyncExternalStore } from "react";
import { ApiError } from "../api/problem.js";
import styles from "./toasts.module.css";

interface Toast {
  readonly id: number;
  readonly tone: "good" | "bad";
  readonly title: string;
  readonly detail?: string | undefined;
}

const SHOWN_MS = 5000;
const FAULT_SHOWN_MS = 12_000;

let toasts: readonly Toast[] = [];
let count = 0;
const listeners = new Set<() => void>();

function set(next: readonly Toast[]): void {
  toasts = next;
  for (const listener of listeners) listener();
}

function add(toast: Omit<Toast, "id">, ms: number): void {
  count += 1;
  const id = count;
  set([...toasts.slice(-3), { ...toast, id }]);
  setTimeout(() => dismiss(id), ms);
}

function dismiss(id: number): void {
  set(toasts.filter((toast) => toast.id !== id));
}

/** Says shortly that something was done. */
export function showToast(title: string, detail?: string): void {
  add({ tone: "good", title, detail }, SHOWN_MS);
}

/** Says that something failed, in the server's words and with the request's id. */
export function showFault(title: string, error: unknown): void {
  const detail =
    error instanceof ApiError
      ? [error.message, ...error.faults.map(({ path, message }) => `${path}: ${message}`)].join("\n") +
        (error.requestId ? `\nRequest ${error.requestId}` : "")
      : error instanceof Error
        ? error.message
        : String(error);
  add({ tone: "bad", title, detail }, FAULT_SHOWN_MS);
}

/** Where they appear: once, in the shell. Read out politely. */
export function Toasts() {
  const shown = useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => toasts,
  );
  return (
    <div className={styles["stack"]} role="status" aria-live="polite">
      {shown.map((toast) => (
        <div key={toast.id} className={`${styles["toast"]} ${styles[toast.tone]}`}>
          {toast.tone === "good" ? (
            <CircleCheck size={16} aria-hidden />
          ) : (
            <CircleAlert size={16} aria-hidden />
          )}
          <div className={styles["text"]}>
            <strong>{toast.title}</strong>
            {toast.detail && <p>{toast.detail}</p>}
          </div>
          <button type="button" aria-label="Dismiss" onClick={() => dismiss(toast.id)}>
            <X size={14} aria-hidden />
          </button>
        </div>
      ))}
    </div>
  );
}
