import { Model, snakeCaseMappers } from "objection";

/**
 * Base of every model: camelCase in code, snake_case in tables. Subclasses `declare` their columns,
 * since a real class field would overwrite what the database returned.
 */
export abstract class BaseModel extends Model {
  static override get columnNameMappers() {
    return snakeCaseMappers();
  }

  /** Knex turns arrays into PostgreSQL arrays; only members named here are JSON. */
  static override get jsonAttributes(): string[] {
    return [];
  }

  static override get useLimitInFirst(): boolean {
    return true;
  }
}
