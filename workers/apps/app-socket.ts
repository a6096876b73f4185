import { constants, type FileHandle, open, stat } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { join } from "node:path";

/** Linux's flag for a handle that names a file without opening it; Node.js has no constant for it. */
const O_PATH = 0o10000000;

/**
 * Connects to a socket that user code has made in its folder. A link there could lead to any socket of this machine,
 * which the worker may reach and the step may not: none is followed, and it must be the step's own.
 * @throws Error when there is no such socket, or nobody listens.
 */
export async function connectAppSocket(folder: string, name: string): Promise<Socket> {
  const handle = await open(join(folder, name), O_PATH | constants.O_NOFOLLOW);
  try {
    const [found, owner] = await Promise.all([handle.stat(), stat(folder)]);
    if (!found.isSocket() || found.uid !== owner.uid)
      throw new Error(`${name} is no socket of the app's own`);
    return await connectTo(handle);
  } finally {
    await handle.close();
  }
}

async function connectTo(handle: FileHandle): Promise<Socket> {
  // the handle, not the path again: that may lead elsewhere by now, and may be longer than the kernel takes
  const socket = connect(`/proc/self/fd/${handle.fd}`);
  return await new Promise((resolve, reject) => {
    socket.once("connect", () => {
      socket.off("error", reject);
      resolve(socket);
    });
    socket.once("error", reject);
  });
}
