import { ChevronDown, type LucideIcon } from "lucide-react";
import { type InputHTMLAttributes, type ReactNode, type Ref, type SelectHTMLAttributes, useId } from "react";
import styles from "./field.module.css";

/** A label over a control, a hint and a fault under it, all tied together. */
export function Field({
  label,
  hint,
  fault,
  isRequired = false,
  children,
}: {
  readonly label: string;
  readonly hint?: ReactNode;
  readonly fault?: string | undefined;
  readonly isRequired?: boolean;
  /** The control: it must take the attributes it is given. */
  readonly children: (control: ControlAttributes) => ReactNode;
}) {
  const id = useId();
  const described = [hint ? `${id}-hint` : "", fault ? `${id}-fault` : ""].filter(Boolean).join(" ");
  return (
    <div className={styles["field"]}>
      <label htmlFor={id} className={styles["label"]}>
        {label}
        {isRequired && (
          <span className={styles["required"]} aria-hidden>
            {" "}
            *
          </span>
        )}
      </label>
      {children({
        id,
        ...(described === "" ? {} : { "aria-describedby": described }),
        ...(fault ? { "aria-invalid": true } : {}),
        ...(isRequired ? { "aria-required": true } : {}),
      })}
      {hint && (
        <p id={`${id}-hint`} className={styles["hint"]}>
          {hint}
        </p>
      )}
      {fault && (
        <p id={`${id}-fault`} className={styles["fault"]}>
          {fault}
        </p>
      )}
    </div>
  );
}

/** What ties a control to its label, hint and fault. */
export interface ControlAttributes {
  readonly id: string;
  readonly "aria-describedby"?: string;
  readonly "aria-invalid"?: true;
  readonly "aria-required"?: true;
}

/** A line of text; with an icon, a search field. */
export function Input({
  icon: Icon,
  className,
  ...rest
}: InputHTMLAttributes<HTMLInputElement> & {
  readonly icon?: LucideIcon;
  readonly ref?: Ref<HTMLInputElement>;
}) {
  const input = (
    <input
      autoComplete="off"
      {...rest}
      className={`${styles["control"]} ${Icon ? styles["withIcon"] : ""} ${className ?? ""}`}
    />
  );
  if (!Icon) return input;
  return (
    <span className={styles["iconic"]}>
      <Icon size={15} aria-hidden />
      {input}
    </span>
  );
}

/** Several lines of text. */
export function TextArea({
  isCode = false,
  className,
  ...rest
}: React.TextareaHTMLAttributes<HTMLTextAreaElement> & { readonly isCode?: boolean }) {
  return (
    <textarea
      spellCheck={!isCode}
      {...rest}
      className={`${styles["control"]} ${styles["area"]} ${isCode ? "mono" : ""} ${className ?? ""}`}
    />
  );
}

/** One of a few: the browser's own, which every device knows how to open. */
export function Select({
  options,
  className,
  ...rest
}: SelectHTMLAttributes<HTMLSelectElement> & {
  readonly options: readonly { readonly value: string; readonly label: string }[];
}) {
  return (
    <span className={styles["select"]}>
      <select {...rest} className={`${styles["control"]} ${className ?? ""}`}>
        {options.map(({ value, label }) => (
          <option key={value} value={value}>
            {label}
          </option>
        ))}
      </select>
      <ChevronDown size={14} aria-hidden />
    </span>
  );
}

/** On or off, with its label beside it. */
export function Checkbox({
  label,
  hint,
  ...rest
}: InputHTMLAttributes<HTMLInputElement> & { readonly label: string; readonly hint?: string }) {
  const id = useId();
  return (
    <div className={styles["check"]}>
      <input {...rest} id={id} type="checkbox" aria-describedby={hint ? `${id}-hint` : undefined} />
      <label htmlFor={id}>{label}</label>
      {hint && (
        <p id={`${id}-hint`} className={styles["hint"]}>
          {hint}
        </p>
      )}
    </div>
  );
}
