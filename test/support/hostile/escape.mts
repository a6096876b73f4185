// Tries to get out of the sandbox by what Node.js offers, and returns the names of the ways that worked.
import { execFileSync } from "node:child_process";
import { createSocket } from "node:dgram";
import { appendFileSync, readdirSync, readFileSync } from "node:fs";
import { request } from "node:http";
import { connect } from "node:net";

interface Targets {
  changes_machine: boolean;
  ports: number[];
  addresses: string[];
  sockets: string[];
  abstract: string;
  paths: string[];
  places: string[];
  pid: number;
  secret: string;
  spellings: [string, number][];
  udp_port: number;
}

const reach = (target: { port: number; host: string } | { path: string }): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(target as { path: string });
    socket.setTimeout(2_000, () => resolve(false));
    socket.once("connect", () => resolve(true));
    socket.once("error", () => resolve(false));
  });

const askProxy = (method: string, path: string, host: string): Promise<boolean> =>
  new Promise((resolve) => {
    const asked = request({ host: "127.0.0.1", port: 3128, method, path, headers: { host }, timeout: 5_000 });
    asked.once("connect", () => resolve(true));
    asked.once("response", (answer) => resolve((answer.statusCode ?? 500) < 400));
    asked.once("error", () => resolve(false));
    asked.end();
  });

const readable = (path: string): boolean => readFileSync(path).length > 0;

export async function main(targets: Targets): Promise<string[]> {
  const { ports, addresses, sockets, abstract, paths, places, pid, secret, spellings } = targets;
  if (targets.changes_machine && process.getuid?.() === 0) return ["runs as root"];
  const attempts = new Map<string, () => unknown>();
  for (const port of ports)
    for (const host of addresses) attempts.set(`tcp ${host} ${port}`, () => reach({ port, host }));
  for (const path of sockets) attempts.set(`unix ${path}`, () => reach({ path }));
  attempts.set("abstract socket", () => reach({ path: `\0${abstract}` }));
  for (const path of paths) attempts.set(`read ${path}`, () => readable(path));
  for (const path of places) attempts.set(`write ${path}`, () => appendFileSync(path, "x"));
  for (const [host, port] of spellings) {
    const authority = host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
    attempts.set(`proxy ${authority}`, async () => {
      if (await askProxy("CONNECT", authority, authority)) return true;
      return await askProxy("GET", `http://${authority}/latest/meta-data/`, authority);
    });
  }
  // leaves without an error either way: the one that must not get it counts
  const udp = createSocket("udp4");
  await new Promise((resolve) => udp.send("x", targets.udp_port, "127.0.0.1", resolve));
  udp.close();
  attempts.set("signal the worker", () => process.kill(pid, 0));
  attempts.set("files of the worker", () => readdirSync(`/proc/${pid}/root/`).length > 0);
  attempts.set("see other processes", () =>
    readdirSync("/proc").some((name) => /^\d+$/.test(name) && Number(name) > 64),
  );
  attempts.set("environment of the worker", () =>
    readdirSync("/proc").some((name) => {
      try {
        return /^\d+$/.test(name) && readFileSync(`/proc/${name}/environ`).includes(secret);
      } catch {
        return false;
      }
    }),
  );
  // Never where nothing holds: as root, these would do what they say to the machine itself.
  if (targets.changes_machine) {
    attempts.set("setuid", () => process.setuid?.(0));
    attempts.set("sudo or su", () => execFileSync("su", ["-c", "true"], { stdio: "ignore" }));
    attempts.set("user namespace", () => execFileSync("unshare", ["--user", "true"], { stdio: "ignore" }));
    attempts.set("mount", () => execFileSync("mount", ["-t", "tmpfs", "none", "/tmp"], { stdio: "ignore" }));
  }
  const worked: string[] = [];
  for (const [name, attempt] of attempts) {
    try {
      if ((await attempt()) !== false) worked.push(name);
    } catch {
      // refused
    }
  }
  return worked;
}
