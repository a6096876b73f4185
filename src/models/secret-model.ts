import { BaseModel } from "./base-model.js";

/** One stored secret: its name is its key, its value is only here as ciphertext. */
export class SecretModel extends BaseModel {
  static override tableName = "secrets";
  static override idColumn = "name";

  declare name: string;
  declare description: string | null;
  declare hosts: string[] | null;
  declare keyId: string;
  declare ciphertext: Buffer;
  declare revision: number;
  declare createdBy: string | null;
  declare createdAt: Date;
  declare updatedAt: Date;

  static override get jsonAttributes(): string[] {
    return ["hosts"];
  }
}
