import { LoaderCircle, type LucideIcon } from "lucide-react";
import type { ButtonHTMLAttributes, ReactNode, Ref } from "react";
import { Link } from "wouter";
import styles from "./button.module.css";

/** What a button may be told. */
export interface ButtonProps extends Omit<ButtonHTMLAttributes<HTMLButtonElement>, "type"> {
  readonly variant?: "primary" | "secondary" | "quiet" | "danger";
  readonly size?: "s" | "m";
  readonly icon?: LucideIcon;
  /** Given when the person may not: the button stays, says why, and does nothing. */
  readonly blockedBecause?: string | undefined;
  /** Its work is under way. */
  readonly isBusy?: boolean;
  readonly type?: "button" | "submit";
  readonly ref?: Ref<HTMLButtonElement>;
  readonly children?: ReactNode;
}

/** A button. One that is blocked can be reached by keyboard and read out, with its reason. */
export function Button({
  variant = "secondary",
  size = "m",
  icon: Icon,
  blockedBecause,
  isBusy = false,
  type = "button",
  onClick,
  children,
  className,
  ...rest
}: ButtonProps) {
  const isBlocked = blockedBecause !== undefined || isBusy;
  return (
    <button
      {...rest}
      type={type}
      className={`${styles["button"]} ${styles[variant]} ${styles[size]} ${children ? "" : styles["bare"]} ${className ?? ""}`}
      aria-disabled={isBlocked || undefined}
      aria-busy={isBusy || undefined}
      title={blockedBecause ?? rest.title}
      onClick={(event) => {
        if (isBlocked) event.preventDefault();
        else onClick?.(event);
      }}
    >
      {isBusy ? (
        <LoaderCircle className={styles["spin"]} size={15} aria-hidden />
      ) : (
        Icon && <Icon size={15} aria-hidden />
      )}
      {children}
      {blockedBecause !== undefined && <span className="visually-hidden">({blockedBecause})</span>}
    </button>
  );
}

/** A link that looks like a button. */
export function ButtonLink({
  to,
  variant = "secondary",
  size = "m",
  icon: Icon,
  children,
}: {
  readonly to: string;
  readonly variant?: ButtonProps["variant"];
  readonly size?: ButtonProps["size"];
  readonly icon?: LucideIcon;
  readonly children: ReactNode;
}) {
  return (
    <Link to={to} className={`${styles["button"]} ${styles[variant]} ${styles[size]}`}>
      {Icon && <Icon size={15} aria-hidden />}
      {children}
    </Link>
  );
}
