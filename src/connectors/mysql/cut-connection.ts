import type { Socket } from "node:net";
import type { PoolConnection } from "mysql2";

/**
 * Takes a connection from its pool and ends it at once, so that the server, which can send no more, ends its statement.
 * The driver's own `destroy` only says that it will send no more itself, and reads on for as long as the server sends.
 */
export function cutConnection(connection: PoolConnection): void {
  connection.destroy();
  (connection as unknown as { stream: Socket }).stream.destroy();
}
