import type { BudgetAction, BudgetPeriod, BudgetScope } from "../contracts/api/llm-budgets.js";
import { BaseModel } from "./base-model.js";

/** A limit of what may be spent with language models. */
export class LlmBudgetModel extends BaseModel {
  static override tableName = "llm_budgets";

  declare id: string;
  declare name: string;
  declare scope: BudgetScope;
  declare period: BudgetPeriod;
  /** Null: every workflow. */
  declare workflowId: string | null;
  /** Null: every provider. */
  declare provider: string | null;
  /** A decimal as text. */
  declare maxCost: string | null;
  declare maxTokens: number | null;
  declare action: BudgetAction;
  declare enabled: boolean;
  declare revision: number;
  declare createdBy: string | null;
  declare createdAt: Date;
  declare updatedAt: Date;
}
