type Column = unknown[];

/** Columns of one statement, filled row by row. */
export class Rows {
  readonly columns: Column[];

  constructor(width: number) {
    this.columns = Array.from({ length: width }, () => []);
  }

  add(...values: unknown[]): void {
    values.forEach((value, index) => this.columns[index]?.push(value));
  }

  get isEmpty(): boolean {
    return (this.columns[0]?.length ?? 0) === 0;
  }
}

/** A value for a `jsonb` parameter; nothing is SQL's NULL. */
export function json(value: unknown): string | null {
  return value === undefined || value === null ? null : JSON.stringify(value);
}
