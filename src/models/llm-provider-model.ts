import type { LlmModel } from "../contracts/api/llm-providers.js";
import { BaseModel } from "./base-model.js";

/** A server that answers LLM prompts. Its key is here only as ciphertext. */
export class LlmProviderModel extends BaseModel {
  static override tableName = "llm_providers";

  declare id: string;
  declare name: string;
  declare description: string;
  declare baseUrl: string;
  /** Null, as `ciphertext` is, where the server asks for no key. */
  declare keyId: string | null;
  declare ciphertext: Buffer | null;
  declare models: LlmModel[];
  declare isDefault: boolean;
  declare revision: number;
  declare createdBy: string | null;
  declare createdAt: Date;
  declare updatedAt: Date;

  static override get jsonAttributes(): string[] {
    return ["models"];
  }
}
