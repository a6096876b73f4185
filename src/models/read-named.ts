import type { Knex } from "knex";
import type pg from "pg";

/** A statement that is planned once for each connection, and known there by its name. */
export interface NamedStatement {
  /** Of one text for ever. */
  readonly name: string;
  /** With `$1`, `$2` and so on. */
  readonly text: string;
  readonly values: readonly unknown[];
}

/**
 * Reads by a prepared statement on one of Knex's own connections. For reads that are made so often that parsing and
 * planning them each time would be most of what they cost: Knex itself names no statements.
 */
export async function readNamed<Row extends pg.QueryResultRow>(
  knex: Knex,
  { name, text, values }: NamedStatement,
): Promise<Row[]> {
  const client = knex.client as {
    acquireConnection(): Promise<pg.Client>;
    releaseConnection(connection: pg.Client): Promise<void>;
  };
  const connection = await client.acquireConnection();
  try {
    return (await connection.query<Row>({ name, text, values: [...values] })).rows;
  } finally {
    await client.releaseConnection(connection);
  }
}
