import { hostname } from "node:os";
import { connect, type NetConnectOpts, type Socket } from "node:net";
import { AppError } from "../../errors/app-error.js";
import type { AppPlace } from "./apps.js";

/** What says that a socket is not there, or not for us: a worker in another container of this machine, for one. */
const NOT_HERE = new Set(["ENOENT", "ECONNREFUSED", "EACCES"]);

/**
 * Connects to the gateway of an app's worker: by its socket on the same machine, else at the address that it offers.
 * @throws AppError NOT_READY that says what is missing; the system's error when the address does not answer
 */
export async function connectGateway(place: AppPlace): Promise<Socket> {
  if (place.hostname === hostname()) {
    try {
      return await open({ path: place.gatewaySocket });
    } catch (error) {
      if (!NOT_HERE.has((error as NodeJS.ErrnoException).code ?? "")) throw error;
    }
  }
  if (place.gatewayUrl === null) {
    const detail =
      `The app runs on ${place.hostname}, whose worker offers it to processes of its own machine alone. ` +
      "Set APPS_ADVERTISE there to an address that this API can reach.";
    throw new AppError("NOT_READY", detail);
  }
  const { hostname: host, port } = new URL(place.gatewayUrl);
  return await open({ host: host.replace(/^\[|\]$/g, ""), port: Number(port) });
}

async function open(where: NetConnectOpts): Promise<Socket> {
  const socket = connect(where);
  return await new Promise((resolve, reject) => {
    socket.once("connect", () => {
      socket.off("error", reject);
      resolve(socket);
    });
    socket.once("error", reject);
  });
}
