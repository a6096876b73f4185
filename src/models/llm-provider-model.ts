import type { LlmModelPrice } from "../contracts/api/llm-providers.js";
import { BaseModel } from "./base-model.js";

/** A provider of language models. Its key and headers are only here as ciphertext. */
export class LlmProviderModel extends BaseModel {
  static override tableName = "llm_providers";

  declare id: string;
  declare name: string;
  declare baseUrl: string;
  declare credentialsKeyId: string | null;
  declare credentialsCiphertext: Buffer | null;
  declare hasApiKey: boolean;
  declare headerNames: string[];
  declare models: LlmModelPrice[];
  declare isDefault: boolean;
  declare revision: number;
  declare createdBy: string | null;
  declare createdAt: Date;
  declare updatedAt: Date;

  static override get jsonAttributes(): string[] {
    return ["models"];
  }
}
