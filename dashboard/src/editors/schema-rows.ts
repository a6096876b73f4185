/** One member of an object schema, as a row of a table; `extra` is what the table does not show. */
export interface SchemaRow {
  readonly name: string;
  readonly type: string;
  readonly isRequired: boolean;
  readonly description: string;
  readonly extra: Readonly<Record<string, unknown>>;
}

/** The types that a row may choose. `""`: any value. */
export const ROW_TYPES = ["string", "number", "integer", "boolean", "object", "array", ""] as const;

type Schema = Readonly<Record<string, unknown>>;

/** The rows of a schema; undefined when a table cannot show it (no object, several types, combinators on top). */
export function toRows(schema: Schema | undefined): SchemaRow[] | undefined {
  if (schema === undefined || Object.keys(schema).length === 0) return [];
  if (schema["type"] !== undefined && schema["type"] !== "object") return undefined;
  const properties = schema["properties"] ?? {};
  if (!isRecord(properties)) return undefined;
  const required = Array.isArray(schema["required"]) ? schema["required"] : [];
  const rows: SchemaRow[] = [];
  for (const [name, member] of Object.entries(properties)) {
    if (!isRecord(member)) return undefined;
    const { type = "", description = "", ...extra } = member;
    if (typeof type !== "string" || typeof description !== "string") return undefined;
    rows.push({ name, type, description, isRequired: required.includes(name), extra });
  }
  return rows;
}

/** The schema with other rows; all that rows do not hold stays. No rows and nothing else: undefined. */
export function fromRows(schema: Schema | undefined, rows: readonly SchemaRow[]): Schema | undefined {
  const { type: _type, properties: _properties, required: _required, ...rest } = schema ?? {};
  if (rows.length === 0 && Object.keys(rest).length === 0) return undefined;
  const properties = Object.fromEntries(
    rows.map(({ name, type, description, extra }) => [
      name,
      { ...(type === "" ? {} : { type }), ...(description === "" ? {} : { description }), ...extra },
    ]),
  );
  const required = rows.filter(({ isRequired }) => isRequired).map(({ name }) => name);
  return { type: "object", properties, ...(required.length > 0 ? { required } : {}), ...rest };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
