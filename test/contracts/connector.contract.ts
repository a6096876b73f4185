import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type { Connector, QueryRequest, QueryResult } from "../../src/connectors/types.js";
import { ConnectorError } from "../../src/connectors/types.js";

/** A connector under test, over a database that holds the contract's tables. */
export interface ConnectorWorld {
  readonly connector: Connector;
  /**
   * The same database with another password; null where there is none.
   */
  openWithWrongPassword?(): Connector;
  close(): Promise<void>;
}

/** What differs between databases. */
export interface ConnectorDialect {
  /**
   * Opens a database with `customer (id whole number, key; name text, not null; credit decimal(20,2))` holding
   * (1, 'Ada', 12.50) and (2, 'O''Hara; DROP TABLE customer', null), and `purchase (id whole number, key;
   * customer_id, references customer; bought_at time)` without rows.
   */
  open(): Promise<ConnectorWorld>;
  /** The first placeholder. */
  readonly placeholder: string;
  /** Gives the numbers from 1 to a million, in the column `n`. */
  readonly million: string;
  /** Takes at least half a minute, and gives a row at last. */
  readonly slow: string;
  /** Gives one row with a text of 20 MiB, or many of them. */
  readonly huge: string;
  /** Statements that change something, read a file of the server or leave the transaction: refused under readOnly. */
  readonly forbidden: readonly string[];
  /** Name of the schema that the tables are in. */
  readonly schema: string;
}

/** What every connector of a database that speaks SQL must do. */
export function describeConnectorContract(name: string, dialect: ConnectorDialect): void {
  describe(`${name} as a connector`, () => {
    let world: ConnectorWorld;
    beforeAll(async () => {
      world = await dialect.open();
    }, 120_000);
    afterAll(async () => {
      await world?.connector.close();
      await world?.close();
    });

    const run = async (sql: string, more: Partial<QueryRequest> = {}): Promise<QueryResult> =>
      await world.connector.query({
        sql,
        params: [],
        maxRows: 100,
        readOnly: true,
        timeoutSeconds: 20,
        signal: new AbortController().signal,
        ...more,
      });
    const faultOf = async (work: Promise<unknown>): Promise<ConnectorError> => {
      const error = await work.then(
        () => new Error("it was done"),
        (thrown: unknown) => thrown,
      );
      if (!(error instanceof ConnectorError)) throw error;
      return error;
    };
    const countCustomers = async () => (await run("SELECT count(*) AS n FROM customer")).rows[0]?.["n"];

    it("says which version answers", async () => {
      const { serverVersion } = await world.connector.test(new AbortController().signal);
      expect(serverVersion).toMatch(/\d+\.\d+/);
    });

    it("gives columns with their types, and rows by name", async () => {
      const result = await run("SELECT id, name, credit FROM customer ORDER BY id");
      expect(result.columns.map((column) => column.name)).toEqual(["id", "name", "credit"]);
      for (const { type } of result.columns) expect(type).toMatch(/^[a-z]/i);
      expect(result.rows).toEqual([
        { id: 1, name: "Ada", credit: 12.5 },
        { id: 2, name: "O'Hara; DROP TABLE customer", credit: null },
      ]);
      expect(result).toMatchObject({ rowCount: 2, truncated: false });
    });

    it("binds parameters, whatever they hold", async () => {
      const sql = `SELECT id FROM customer WHERE name = ${dialect.placeholder}`;
      expect((await run(sql, { params: ["O'Hara; DROP TABLE customer"] })).rows).toEqual([{ id: 2 }]);
      expect((await run(sql, { params: ["' OR 1=1 --"] })).rows).toEqual([]);
      expect(await countCustomers()).toBe(2);
    });

    it("refuses too few and too many parameters", async () => {
      const sql = `SELECT id FROM customer WHERE name = ${dialect.placeholder}`;
      expect(await faultOf(run(sql))).toMatchObject({ fault: "params" });
      expect(await faultOf(run(sql, { params: ["a", "b"] }))).toMatchObject({ fault: "params" });
    });

    it("keeps whole numbers that a number cannot hold as text", async () => {
      const { rows } = await run(
        "SELECT CAST(9007199254740993 AS BIGINT) AS big, CAST(42 AS BIGINT) AS small".replace(
          /BIGINT/g,
          dialect.schema === "shop" ? "SIGNED" : "BIGINT",
        ),
      );
      expect(rows).toEqual([{ big: "9007199254740993", small: 42 }]);
    });

    it("gives a name to each column, also where two have the same", async () => {
      expect((await run("SELECT 1 AS a, 2 AS a")).rows).toEqual([{ a: 1, a_2: 2 }]);
    });

    it("reads no more rows than it was asked for", async () => {
      const result = await run(dialect.million, { maxRows: 5 });
      expect(result.rows.map((row) => Number(row["n"]))).toEqual([1, 2, 3, 4, 5]);
      expect(result).toMatchObject({ rowCount: 5, truncated: true });
      expect(await countCustomers()).toBe(2);
    });

    it("does not hand on what is too large", async () => {
      const outcome = await run(dialect.huge, { maxRows: 100 }).catch((error: unknown) => error);
      if (outcome instanceof ConnectorError) expect(outcome.message).toMatch(/large|memory/);
      else expect(outcome).toMatchObject({ truncated: true });
      expect(await countCustomers()).toBe(2);
    });

    it("says what is wrong with a statement", async () => {
      const fault = await faultOf(run("SELEKT 1"));
      expect(fault.fault).toBe("statement");
      expect(fault.message).toMatch(/SELEKT/);
      expect((await faultOf(run("SELECT x FROM no_such_table"))).message).toMatch(/no_such_table/);
    });

    it.each(dialect.forbidden)("refuses under readOnly: %s", async (sql) => {
      expect(await faultOf(run(sql))).toMatchObject({ fault: "statement" });
      expect(await countCustomers()).toBe(2);
    });

    it("changes something when it is told that it may", async () => {
      const insert = await run("INSERT INTO customer (id, name) VALUES (3, 'Grace')", { readOnly: false });
      expect(insert.rows.length).toBeLessThanOrEqual(1); // DuckDB gives the count as a row
      expect(await countCustomers()).toBe(3);
      await run("DELETE FROM customer WHERE id = 3", { readOnly: false });
      expect(await countCustomers()).toBe(2);
    });

    it("ends what takes too long", async () => {
      const startedAt = performance.now();
      expect(await faultOf(run(dialect.slow, { timeoutSeconds: 1 }))).toMatchObject({ fault: "timeout" });
      expect(performance.now() - startedAt).toBeLessThan(8_000);
      expect(await countCustomers()).toBe(2);
    });

    it("ends when its caller is gone", async () => {
      const controller = new AbortController();
      setTimeout(() => controller.abort(), 300);
      const startedAt = performance.now();
      expect(await faultOf(run(dialect.slow, { signal: controller.signal }))).toMatchObject({
        fault: "timeout",
      });
      expect(performance.now() - startedAt).toBeLessThan(8_000);
    });

    it("tells what is in the database", async () => {
      const { schemas, truncated } = await world.connector.scanSchema(new AbortController().signal);
      expect(truncated).toBe(false);
      const tables = schemas.find((schema) => schema.name === dialect.schema)?.tables ?? [];
      const customer = tables.find((table) => table.name === "customer");
      expect(customer).toMatchObject({ kind: "table" });
      expect(customer?.columns.map((column) => [column.name, column.nullable, column.primaryKey])).toEqual([
        ["id", false, true],
        ["name", false, false],
        ["credit", true, false],
      ]);
      const purchase = tables.find((table) => table.name === "purchase");
      const reference = purchase?.columns.find((column) => column.name === "customer_id")?.references;
      expect(reference).toBe(`${dialect.schema}.customer.id`);
    });
  });
}
