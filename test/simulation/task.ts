/** Goes on with a task: with a value, or with an error that is thrown where it waits. */
export interface Wake {
  resolve(value?: unknown): void;
  reject(error: Error): void;
}

/** What a task waits for: called with the way to wake it, once. */
export type Wait = (wake: Wake) => void;

/** A simulated `async` function: `yield*` is its `await`. */
export type Task<Result> = Generator<Wait, Result, unknown>;

/** The database is away, or its answer got lost: what was asked for is done or not. */
export class DatabaseAway extends Error {
  constructor() {
    super("the database is away");
    this.name = "DatabaseAway";
  }
}

/** Waits for something that wakes with a value. */
export function* wait<Value>(register: (wake: Wake) => void): Task<Value> {
  return (yield register) as Value;
}
