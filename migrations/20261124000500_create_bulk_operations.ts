import type { Knex } from "knex";

/** One action on many runs: the runs are fixed when it is asked for, and each remembers what became of it. */
export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    CREATE TABLE bulk_operations (
      id uuid PRIMARY KEY,
      action text NOT NULL CHECK (action IN ('cancel', 'rerun', 'replay')),
      filter jsonb NOT NULL,
      rerun_from text,
      rate_per_second integer NOT NULL,
      status text NOT NULL CHECK (status IN ('queued', 'running', 'succeeded', 'failed', 'canceled')),
      total integer NOT NULL,
      -- counted in the transaction that ends the items
      succeeded integer NOT NULL DEFAULT 0,
      failed integer NOT NULL DEFAULT 0,
      skipped integer NOT NULL DEFAULT 0,
      -- the first failures: [{ runId, message }]
      errors jsonb NOT NULL DEFAULT '[]',
      -- who asked, and from where: every effect is theirs in the audit log
      actor jsonb NOT NULL,
      origin jsonb NOT NULL,
      created_at timestamptz NOT NULL DEFAULT now(),
      started_at timestamptz,
      finished_at timestamptz,
      -- the rate: no item is taken before this moment
      next_at timestamptz NOT NULL DEFAULT now()
    );
    CREATE INDEX bulk_operations_open_idx ON bulk_operations (id) WHERE finished_at IS NULL;
    CREATE INDEX bulk_operations_finished_idx ON bulk_operations (finished_at);

    CREATE TABLE bulk_operation_items (
      operation_id uuid NOT NULL REFERENCES bulk_operations (id) ON DELETE CASCADE,
      position integer NOT NULL,
      run_id uuid NOT NULL,
      status text NOT NULL DEFAULT 'pending'
        CHECK (status IN ('pending', 'working', 'succeeded', 'failed', 'skipped')),
      -- the id that a rerun will have, reserved before it is made: made twice, it is still one run
      new_run_id uuid,
      attempts integer NOT NULL DEFAULT 0,
      -- a process that works on an item and dies loses it then
      claimed_until timestamptz,
      PRIMARY KEY (operation_id, position)
    );
    CREATE INDEX bulk_operation_items_open_idx ON bulk_operation_items (operation_id, position)
      WHERE status IN ('pending', 'working');
  `);
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw("DROP TABLE bulk_operation_items, bulk_operations");
}
