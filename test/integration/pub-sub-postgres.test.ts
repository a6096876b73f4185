import { describe } from "@jest/globals";
import { openPubSub } from "../../src/events/open-pub-sub.js";
import { pubSubContract } from "../contracts/pub-sub.contract.js";
import { createTestDatabase } from "../support/test-database.js";

describe("PubSub on PostgreSQL", () => {
  pubSubContract(async () => {
    const { knex, url, drop } = await createTestDatabase();
    return {
      open: (prefix) => openPubSub({ databaseUrl: url, prefix }),
      async interrupt() {
        await knex.raw(
          "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()",
        );
      },
      async sendRaw(channel, payload) {
        await knex.raw("SELECT pg_notify(?, ?)", [channel, payload]);
      },
      close: drop,
    };
  });
});
