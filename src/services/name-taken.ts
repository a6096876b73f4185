import { conflict } from "../errors/app-error.js";
import { isUniqueViolation } from "./database-conflicts.js";

/**
 * A change of a row whose name is unique.
 * @param what the kind of row for people, with its article: "a schedule".
 * @throws AppError CONFLICT, pointing at `/name`, when another row has the name.
 */
export async function orNameTaken<T>(change: Promise<T>, what: string, name: string): Promise<T> {
  try {
    return await change;
  } catch (error) {
    if (!isUniqueViolation(error)) throw error;
    throw conflict(`There is ${what} called "${name}"`, [{ path: "/name", message: "is taken" }]);
  }
}
