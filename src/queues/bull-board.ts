import { createBullBoard } from "@bull-board/api";
import { BullMQAdapter } from "@bull-board/api/bullMQAdapter";
import { ExpressAdapter } from "@bull-board/express";
import type { Queue } from "bullmq";
import type { Router } from "express";
import type { QueueBackend } from "./queue-connections.js";

/** Bull Board over the queues: for looking only, behind the session of whoever mounts it. */
export interface BullBoard {
  /** Express handlers to be mounted at the base path, behind authentication. */
  readonly router: Router;
  /** Shows one more queue, of a worker group that has come up since. Idempotent. */
  addQueue(name: string): void;
}

/** Builds Bull Board, read-only: whoever could add or change a job there could forge a payload. */
export function createBullBoardRouter(deps: {
  readonly backend: QueueBackend;
  readonly queueNames: readonly string[];
  /** Where the router is mounted: `/admin/queues`. */
  readonly basePath: string;
}): BullBoard {
  const { backend, queueNames, basePath } = deps;
  const shown = new Set<string>(queueNames);
  const adapterOf = (name: string): BullMQAdapter =>
    // the adapter asks for a Queue on Redis, and works with either backend's
    new BullMQAdapter(backend.queue(name) as unknown as Queue, { readOnlyMode: true });
  const serverAdapter = new ExpressAdapter();
  serverAdapter.setBasePath(basePath);
  const board = createBullBoard({ queues: [...shown].map(adapterOf), serverAdapter });

  return {
    router: serverAdapter.getRouter() as Router,
    addQueue(name) {
      if (shown.has(name)) return;
      shown.add(name);
      board.addQueue(adapterOf(name));
    },
  };
}
