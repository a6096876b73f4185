import { X } from "lucide-react";
import { Dialog as Primitive } from "radix-ui";
import type { ReactNode } from "react";
import { Button } from "./button.js";
import styles from "./dialog.module.css";

const FIELDS = "input:not([type=checkbox]):not([type=hidden]), select, textarea";

/** Who opens a form wants to write in it: its first field has the focus, not the button that closes it. */
function focusFirstField(event: Event): void {
  const field = (event.currentTarget as HTMLElement).querySelector<HTMLElement>(FIELDS);
  if (!field) return;
  event.preventDefault();
  field.focus();
}

/** A dialog over the page: focus stays in it, Escape closes it, and focus returns to where it was. */
export function Dialog({
  title,
  description,
  size = "m",
  onClose,
  footer,
  children,
}: {
  readonly title: string;
  readonly description?: ReactNode;
  readonly size?: "s" | "m" | "l";
  onClose(): void;
  /** Its buttons. */
  readonly footer?: ReactNode;
  readonly children?: ReactNode;
}) {
  return (
    <Primitive.Root open onOpenChange={(isOpen) => !isOpen && onClose()}>
      <Primitive.Portal>
        <Primitive.Overlay className={styles["overlay"]} />
        <Primitive.Content
          className={`${styles["dialog"]} ${styles[size]}`}
          onOpenAutoFocus={focusFirstField}
          {...(description ? {} : { "aria-describedby": undefined })}
        >
          <header className={styles["header"]}>
            <Primitive.Title className={styles["title"]}>{title}</Primitive.Title>
            <Button variant="quiet" size="s" icon={X} aria-label="Close" onClick={onClose} />
          </header>
          <div className={styles["body"]}>
            {description && (
              <Primitive.Description className={styles["description"]} asChild>
                <div>{description}</div>
              </Primitive.Description>
            )}
            {children}
          </div>
          {footer && <footer className={styles["footer"]}>{footer}</footer>}
        </Primitive.Content>
      </Primitive.Portal>
    </Primitive.Root>
  );
}
