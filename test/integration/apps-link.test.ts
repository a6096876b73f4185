import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import type { JsonValue } from "../../src/core/json.js";
import { type LinkServer, openLinkServer } from "../../workers/apps/link-server.js";

const MAX_BYTES = 1_000;

describe("the socket on which an app sends values back", () => {
  let folder: string;
  let link: LinkServer;
  let taken: JsonValue[];

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "headrace-link-"));
    taken = [];
    const submit = async (values: JsonValue) => {
      taken.push(values);
      return await Promise.resolve({ ok: true } as const);
    };
    link = await openLinkServer({ folder, maxBytes: MAX_BYTES, submit });
  });
  afterEach(async () => {
    await link.close();
    await rm(folder, { recursive: true, force: true });
  });

  async function open(): Promise<Socket> {
    const socket = connect(join(folder, "headrace.sock"));
    await once(socket, "connect");
    return socket;
  }

  async function answerOf(socket: Socket): Promise<unknown> {
    const [chunk] = (await once(socket, "data")) as [Buffer];
    return JSON.parse(chunk.toString("utf8"));
  }

  it("holds no more than the limit of all connections together", async () => {
    const [slow, other] = [await open(), await open()];
    slow.write("x".repeat(MAX_BYTES - 100));
    // no answer says that it was read: another connection's shows it
    await new Promise((resolve) => setTimeout(resolve, 100));
    const refused = answerOf(other);
    other.write("y".repeat(200));
    expect(await refused).toMatchObject({ ok: false, error: expect.stringContaining(`${MAX_BYTES} bytes`) });
    slow.destroy();
    await new Promise((resolve) => setTimeout(resolve, 100));
    const third = await open();
    const answer = answerOf(third);
    third.write(`${JSON.stringify({ values: { text: "z".repeat(MAX_BYTES - 100) } })}\n`);
    expect(await answer).toEqual({ ok: true });
    expect(taken).toHaveLength(1);
    third.destroy();
  });
});
