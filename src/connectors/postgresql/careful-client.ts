import pg from "pg";
import { toError } from "../../errors/app-error.js";

type Listener = (chunk: Buffer) => void;

/** What the driver has and its types leave out. */
interface OpenConnection {
  attachListeners(stream: ReadStream): void;
}

interface ReadStream {
  on(event: string, listener: Listener): unknown;
  destroy(error: Error): void;
}

/**
 * A client for servers that somebody else chose: the driver throws at messages that make no sense to it, where nobody
 * could catch it but the process, which would end. Here the connection breaks.
 */
export class CarefulClient extends pg.Client {
  constructor(config?: pg.ClientConfig) {
    super(config);
    // whoever uses it is told by what they wait for; between two uses nobody listens
    this.on("error", () => undefined);
    const { connection } = this as unknown as { readonly connection: OpenConnection };
    const attach = connection.attachListeners.bind(connection);
    connection.attachListeners = (stream) => attach(toCareful(stream));
  }
}

function toCareful(stream: ReadStream): ReadStream {
  return {
    on: (event, listener) =>
      stream.on(event, (chunk) => {
        try {
          listener(chunk);
        } catch (error) {
          stream.destroy(toError(error));
        }
      }),
    destroy: (error) => stream.destroy(error),
  };
}
