import { z } from "zod";
import type { JsonValue } from "../../core/json.js";
import { instantSchema, pageOf, revisionSchema } from "./common.js";

/** Every type of external database. */
export const DB_TYPES = ["postgresql", "bigquery", "mysql", "sqlite", "duckdb"] as const;
export type DbType = (typeof DB_TYPES)[number];

const MAX_SQL_CHARACTERS = 1_000_000;
const MAX_PARAMS = 1_000;

/** Name of an external database. */
export const externalDbNameSchema = z
  .string()
  .regex(
    /^[A-Za-z][A-Za-z0-9 _.-]{0,62}$/,
    "must begin with a letter, then letters, digits and _ . - or spaces",
  );

const anyObject = z.record(z.string(), z.unknown());

/** Which of them a type takes, and what each may hold, its connector judges. */
const settings = {
  host: z.string().min(1).max(253),
  port: z.int().min(1).max(65_535),
  databaseName: z
    .string()
    .min(1)
    .max(1_000)
    .meta({ description: "Of SQLite and DuckDB: a file inside the data folder." }),
  username: z.string().min(1).max(100),
  ssl: z.union([z.boolean(), anyObject], { error: "must be true, false or { ca, serverName, verify }" }),
  projectId: z.string().min(1).max(100),
  dataset: z.string().min(1).max(1_024),
  options: anyObject,
};

/** Write-only: no answer ever holds them. */
const secrets = {
  password: z
    .string()
    .min(1)
    .max(10_000)
    .regex(/^[^\0]*$/, "must not contain NUL"),
  credentials: anyObject.meta({ description: "Key of a service account, as JSON." }),
};

/** Body of `POST /external-db-configs`. */
export const createExternalDbSchema = z
  .strictObject({
    name: externalDbNameSchema,
    dbType: z.enum(DB_TYPES),
    ...z.object({ ...settings, ...secrets }).partial().shape,
  })
  .meta({ id: "CreateExternalDbConfig" });
export type CreateExternalDb = z.infer<typeof createExternalDbSchema>;

/** Body of `PATCH /external-db-configs/{id}`; null takes a field away. */
export const updateExternalDbSchema = z.strictObject({
  name: externalDbNameSchema.optional(),
  ...nullish({ ...settings, ...secrets }),
});
export type UpdateExternalDb = z.infer<typeof updateExternalDbSchema>;

function nullish<Shape extends Readonly<Record<string, z.ZodType>>>(shape: Shape) {
  return Object.fromEntries(Object.entries(shape).map(([name, type]) => [name, type.nullish()])) as {
    [Name in keyof Shape]: z.ZodOptional<z.ZodNullable<Shape[Name]>>;
  };
}

/** An external database, as the API shows it: never its secrets. */
export const externalDbSchema = z
  .object({
    id: z.string(),
    name: z.string(),
    dbType: z.enum(DB_TYPES),
    ...z.object(settings).partial().shape,
    hasPassword: z.boolean(),
    hasCredentials: z.boolean(),
    revision: revisionSchema,
    createdBy: z.string().nullable(),
    createdAt: instantSchema,
    updatedAt: instantSchema,
  })
  .meta({ id: "ExternalDbConfig" });
export type ExternalDb = z.infer<typeof externalDbSchema>;

/** Answer of `GET /external-db-configs`. */
export const externalDbPageSchema = pageOf(externalDbSchema);

/** Answer of `POST /external-db-configs/{id}/test`. */
export const externalDbTestSchema = z
  .object({
    ok: z.boolean(),
    latencyMs: z.number(),
    serverVersion: z.string().optional(),
    error: z.string().optional(),
  })
  .meta({ id: "ExternalDbTest" });
export type ExternalDbTest = z.infer<typeof externalDbTestSchema>;

const paramsSchema = z.array(z.json()).max(MAX_PARAMS) as unknown as z.ZodType<JsonValue[]>;

/** The members of a query; the inputs of `builtin:sql` are the same. */
export const queryShapes = {
  sql: z
    .string()
    .min(1)
    .max(MAX_SQL_CHARACTERS)
    .regex(/^[^\0]*$/, "must not contain NUL"),
  params: paramsSchema,
  maxRows: z.int().min(1).max(100_000),
  readOnly: z.boolean(),
  timeoutSeconds: z.number().min(0.1).max(3_600),
};

/** Body of `POST /external-db-configs/{id}/query`. */
export const queryExternalDbSchema = z
  .strictObject({
    ...queryShapes,
    params: paramsSchema.default([]),
    maxRows: queryShapes.maxRows.default(1_000),
    readOnly: queryShapes.readOnly.default(true),
    timeoutSeconds: queryShapes.timeoutSeconds.max(300).default(30),
  })
  .meta({ id: "QueryExternalDb" });
export type QueryExternalDb = z.infer<typeof queryExternalDbSchema>;

/** Answer of `POST /external-db-configs/{id}/query`. */
export const queryResultSchema = z
  .object({
    columns: z.array(z.object({ name: z.string(), type: z.string() })),
    rows: z.array(z.record(z.string(), z.unknown())).meta({
      description: "Big integers and exact decimals beyond a number's reach are text, bytes are base64.",
    }),
    rowCount: z.int(),
    truncated: z.boolean().meta({ description: "There was more than `maxRows`, or than 16 MiB." }),
  })
  .meta({ id: "QueryResult" });

const schemaColumnSchema = z.object({
  name: z.string(),
  type: z.string(),
  nullable: z.boolean(),
  default: z.string().optional(),
  primaryKey: z.boolean(),
  references: z.string().optional().meta({ description: "`schema.table.column`" }),
});

/** Answer of `GET /external-db-configs/{id}/schema`. */
export const databaseSchemaSchema = z
  .object({
    schemas: z.array(
      z.object({
        name: z.string(),
        tables: z.array(
          z.object({
            name: z.string(),
            kind: z.enum(["table", "view", "materialized view", "foreign table"]),
            columns: z.array(schemaColumnSchema),
            rowEstimate: z.number().optional(),
          }),
        ),
      }),
    ),
    truncated: z.boolean(),
    scannedAt: instantSchema,
  })
  .meta({ id: "DatabaseSchema" });
export type ScannedSchema = z.infer<typeof databaseSchemaSchema>;

/** Query of `GET /external-db-configs/{id}/schema`. */
export const schemaQuerySchema = z.strictObject({
  refresh: z
    .enum(["true", "false"])
    .transform((text) => text === "true")
    .default(false)
    .meta({ description: "Scan again, in place of the stored scan." }),
});
