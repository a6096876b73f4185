import { z } from "zod";
import { findHostFaults, hostField, plainText, portField, sslField } from "../network-fields.js";
import type { ConnectorDefinition } from "../types.js";
import { openPostgresql } from "./postgresql-connector.js";

/** Only what is listed: options of the client library can read files of the worker. */
const optionsSchema = z.strictObject({
  application_name: plainText(63).optional(),
  search_path: z
    .string()
    .max(500)
    .regex(/^[A-Za-z0-9_$",. ]+$/, "must be names of schemas, separated by commas")
    .optional(),
});

const configSchema = z.strictObject({
  host: hostField,
  port: portField.default(5_432),
  databaseName: plainText(63),
  username: plainText(63),
  ssl: sslField.optional(),
  options: optionsSchema.optional(),
});
export type PostgresqlConfig = z.infer<typeof configSchema>;

/** PostgreSQL as an external database. */
export const postgresqlDefinition: ConnectorDefinition<PostgresqlConfig> = {
  dbType: "postgresql",
  label: "PostgreSQL",
  configSchema,
  secretNames: ["password"],
  targetNames: ["host", "port", "ssl"],
  findFaults: ({ host, port }, _secrets, { guard }) => findHostFaults(host, port, guard),
  open: openPostgresql,
};
