import { Check, Copy } from "lucide-react";
import { useState } from "react";
import { Button } from "./button.js";
import styles from "./copy-button.module.css";

/** Puts a text on the clipboard. It stands in the upper corner of what it copies, which is positioned. */
export function CopyButton({ text, what }: { text(): string; readonly what: string }) {
  const [isDone, setDone] = useState(false);
  return (
    <Button
      className={styles["copy"] ?? ""}
      variant="quiet"
      size="s"
      icon={isDone ? Check : Copy}
      aria-label={isDone ? "Copied" : `Copy ${what}`}
      title={`Copy ${what}`}
      onClick={() => {
        void navigator.clipboard?.writeText(text()).then(() => {
          setDone(true);
          setTimeout(() => setDone(false), 1500);
        });
      }}
    />
  );
}
