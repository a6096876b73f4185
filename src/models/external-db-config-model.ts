import type { DbType, ScannedSchema } from "../contracts/api/external-db-configs.js";
import type { JsonObject } from "../core/json.js";
import { BaseModel } from "./base-model.js";

/** An external database. Its secrets are here only as ciphertext. */
export class ExternalDbConfigModel extends BaseModel {
  static override tableName = "external_db_configs";

  declare id: string;
  declare name: string;
  declare dbType: DbType;
  /** An object, which `pg` reads and writes as JSON. */
  declare config: JsonObject;
  declare secretNames: string[];
  declare secretKeyId: string | null;
  declare secretCiphertext: Buffer | null;
  declare scannedSchema: Omit<ScannedSchema, "scannedAt"> | null;
  declare scannedAt: Date | null;
  declare revision: number;
  declare createdBy: string | null;
  declare createdAt: Date;
  declare updatedAt: Date;
}
