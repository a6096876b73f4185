import type { LucideIcon } from "lucide-react";
import { DropdownMenu } from "radix-ui";
import type { ReactNode } from "react";
import styles from "./menu.module.css";

/** A menu that a button opens. */
export function Menu({ button, children }: { readonly button: ReactNode; readonly children: ReactNode }) {
  return (
    <DropdownMenu.Root modal={false}>
      <DropdownMenu.Trigger asChild>{button}</DropdownMenu.Trigger>
      <DropdownMenu.Portal>
        <DropdownMenu.Content className={styles["menu"]} align="end" sideOffset={6} collisionPadding={8}>
          {children}
        </DropdownMenu.Content>
      </DropdownMenu.Portal>
    </DropdownMenu.Root>
  );
}

/** One line of a menu. */
export function MenuItem({
  icon: Icon,
  blockedBecause,
  isDangerous = false,
  hint,
  onSelect,
  children,
}: {
  readonly icon?: LucideIcon;
  /** Given when the person may not: said under the line. */
  readonly blockedBecause?: string | undefined;
  readonly isDangerous?: boolean;
  readonly hint?: ReactNode;
  onSelect(): void;
  readonly children: ReactNode;
}) {
  return (
    <DropdownMenu.Item
      className={`${styles["item"]} ${isDangerous ? styles["dangerous"] : ""}`}
      disabled={blockedBecause !== undefined}
      onSelect={onSelect}
    >
      {Icon ? <Icon size={15} aria-hidden /> : <span />}
      <span>
        {children}
        {blockedBecause !== undefined && <small>{blockedBecause}</small>}
      </span>
      {hint && <span className={styles["hint"]}>{hint}</span>}
    </DropdownMenu.Item>
  );
}

/** What is said in a menu and cannot be chosen. */
export function MenuLabel({ children }: { readonly children: ReactNode }) {
  return <DropdownMenu.Label className={styles["label"]}>{children}</DropdownMenu.Label>;
}

/** A line between groups of items. */
export function MenuLine() {
  return <DropdownMenu.Separator className={styles["line"]} />;
}
