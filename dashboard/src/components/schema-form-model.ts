/** The part of JSON Schema that a form is made from. */
export interface FormSchema {
  readonly type?: string | readonly string[];
  readonly title?: string;
  readonly description?: string;
  readonly format?: string;
  readonly enum?: readonly unknown[];
  readonly default?: unknown;
  readonly maxLength?: number;
  readonly properties?: Readonly<Record<string, FormSchema>>;
  readonly required?: readonly string[];
}

/** One member of an object schema. */
export interface SchemaField {
  readonly name: string;
  readonly label: string;
  readonly schema: FormSchema;
  readonly isRequired: boolean;
}

/** How a member is asked for; `json`: what no control fits. */
export type FieldKind = "text" | "number" | "switch" | "choice" | "object" | "json";

/** Takes whatever stands where a schema should. */
export function asFormSchema(schema: unknown): FormSchema {
  return typeof schema === "object" && schema !== null ? (schema as FormSchema) : {};
}

/** The members of an object schema, in the order of the schema. */
export function fieldsOf(schema: FormSchema): SchemaField[] {
  return Object.entries(schema.properties ?? {}).map(([name, member]) => ({
    name,
    label: member.title ?? name,
    schema: asFormSchema(member),
    isRequired: schema.required?.includes(name) ?? false,
  }));
}

/** What control a schema asks for. */
export function kindOf(schema: FormSchema): FieldKind {
  if (schema.enum) return "choice";
  switch (schema.type) {
    case "string":
      return "text";
    case "number":
    case "integer":
      return "number";
    case "boolean":
      return "switch";
    case "object":
      return schema.properties && Object.keys(schema.properties).length > 0 ? "object" : "json";
    default:
      return "json";
  }
}

/** Whether a text may run over several lines. */
export function isLongText({ format, maxLength }: FormSchema): boolean {
  return format === "textarea" || format === "multiline" || (maxLength ?? 0) > 200;
}

/** The number that a text means: undefined for none, `"none"` for what is no number. */
export function parseNumber(text: string): number | undefined | "none" {
  const trimmed = text.trim();
  if (trimmed === "") return undefined;
  const value = Number(trimmed);
  return Number.isFinite(value) ? value : "none";
}

/** The value that a form starts with: the schema's defaults, nothing else. */
export function defaultsOf(schema: FormSchema): unknown {
  if (schema.default !== undefined) return schema.default;
  const entries = fieldsOf(schema)
    .map((field) => [field.name, defaultsOf(field.schema)] as const)
    .filter(([, value]) => value !== undefined);
  return entries.length > 0 ? Object.fromEntries(entries) : undefined;
}

/** Faults of an answer as a form wants them: by pointer into the value, those elsewhere left out. */
export function faultsUnder(
  faults: readonly { readonly path: string; readonly message: string }[],
  prefix: string,
): Record<string, string> {
  return Object.fromEntries(
    faults
      .filter(({ path }) => path === prefix || path.startsWith(`${prefix}/`))
      .map(({ path, message }) => [path.slice(prefix.length), message]),
  );
}
