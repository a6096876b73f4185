import { z } from "zod";
import { findHostFaults, hostField, plainText, portField, sslField } from "../network-fields.js";
import type { ConnectorDefinition } from "../types.js";
import { openMysql } from "./mysql-connector.js";

const configSchema = z.strictObject({
  host: hostField,
  port: portField.default(3_306),
  databaseName: plainText(64),
  username: plainText(80),
  ssl: sslField.optional(),
  options: z.strictObject({ charset: z.enum(["utf8mb4", "latin1", "ascii"]).optional() }).optional(),
});
export type MysqlConfig = z.infer<typeof configSchema>;

/** MySQL and MariaDB as an external database. */
export const mysqlDefinition: ConnectorDefinition<MysqlConfig> = {
  dbType: "mysql",
  label: "MySQL or MariaDB",
  configSchema,
  secretNames: ["password"],
  targetNames: ["host", "port", "ssl"],
  findFaults: ({ host, port }, _secrets, { guard }) => findHostFaults(host, port, guard),
  open: openMysql,
};
