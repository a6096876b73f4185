import { describe } from "@jest/globals";
import { pino } from "pino";
import { openQueues } from "../../src/queues/queue-connections.js";
import { runQueueContract } from "../contracts/run-queue.contract.js";
import { createTestDatabase } from "../support/test-database.js";

describe("run queue on PostgreSQL", () => {
  runQueueContract(async () => {
    const database = await createTestDatabase();
    const { knex, prefix, url } = database;
    const backend = await openQueues({ databaseUrl: url, prefix, logger: pino({ level: "silent" }) });
    return {
      backend,
      connection: { databaseUrl: url, prefix },
      async stealLock(queue, id) {
        await knex.raw("UPDATE ??.job SET lock_token = 'other' WHERE queue = ? AND id = ?", [
          `${prefix}_queues`,
          queue,
          id,
        ]);
      },
      async interrupt() {
        await knex.raw(
          "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()",
        );
      },
      async close() {
        await backend.close();
        await database.drop();
      },
    };
  });
});
