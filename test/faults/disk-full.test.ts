import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { chmodSync, mkdtempSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, it } from "@jest/globals";
import { FAULT_BACKENDS, type FaultWorld, openFaultWorld, recordFigures } from "../support/fault-world.js";
import { eventually } from "../support/eventually.js";
import { describeWith } from "../support/requirements.js";

const MIB = 1024 ** 2;
const small = { name: "root, for a file system of its own", isMet: process.getuid?.() === 0, supply: "sudo" };

describeWith(small, "F20: DATA_DIR on a disk of 64 MiB", () => {
  let world: FaultWorld;
  let mount = "";

  afterEach(async () => {
    await world?.close();
    spawnSync("umount", [mount]);
    rmSync(mount, { recursive: true, force: true });
  });

  it.each(FAULT_BACKENDS)(
    "full, and free again; queues on $name",
    async ({ name, hasRedis }) => {
      mount = mkdtempSync(join(tmpdir(), "headrace-small-"));
      chmodSync(mount, 0o711);
      expect(spawnSync("mount", ["-t", "tmpfs", "-o", "size=64m,mode=711", "none", mount]).status).toBe(0);
      world = await openFaultWorld({ hasRedis, settings: { DATA_DIR: mount } });
      const [api, worker] = await Promise.all([world.spawn("api"), world.spawn("worker")]);
      await addScript(world, api.address);

      const run = async (mib: number) => {
        const made = await world.call(api.address, "POST", "/api/v1/workflow-runs", {
          workflow: "leaves-a-file",
          input: { mib },
        });
        expect(made.status).toBe(202);
        const path = `/api/v1/workflow-runs/${String(made.body["id"])}`;
        const get = async () => (await world.call(api.address, "GET", path)).body;
        await eventually(
          "its end",
          async () => /succeeded|failed/.test(String((await get())["status"])),
          60_000,
        );
        return await get();
      };

      expect((await run(1))["status"]).toBe("succeeded");
      // room for the script's own file, not for the artifact that is made of it
      const { bavail, bsize } = statfsSync(mount);
      writeFileSync(join(mount, "filler"), Buffer.alloc(bavail * bsize - 12 * MIB));
      const artifactFails = await run(8);
      writeFileSync(join(mount, "filler-2"), Buffer.alloc(statfsSync(mount).bavail * bsize));
      const scriptFails = await run(1);
      for (const failed of [artifactFails, scriptFails]) {
        expect(failed["status"]).toBe("failed");
        expect(JSON.stringify(failed["error"])).toMatch(/[Nn]o space/);
      }
      expect((await world.call(api.address, "GET", "/api/v1/workflow-runs")).status).toBe(200);
      rmSync(join(mount, "filler"));
      rmSync(join(mount, "filler-2"));
      const freedAt = performance.now();
      expect((await run(8))["status"]).toBe("succeeded");
      const tookMs = Math.round(performance.now() - freedAt);
      for (const one of [api, worker]) expect(() => process.kill(one.pid, 0)).not.toThrow();

      const rows: { id: string; sha256: string }[] = await world.knex("artifacts").select("id", "sha256");
      let served = 0;
      for (const row of rows) {
        const response = await fetch(`${api.address}/api/v1/artifacts/${row.id}`, {
          headers: { authorization: `Bearer ${world.token}` },
        });
        const bytes = Buffer.from(await response.arrayBuffer());
        if (response.status === 404) continue;
        expect(createHash("sha256").update(bytes).digest("hex")).toBe(row.sha256);
        served += 1;
      }
      const messages = [artifactFails, scriptFails].map((one) => JSON.stringify(one["error"]).slice(0, 120));
      recordFigures(
        "F20",
        name,
        `2 of 2 steps on a full disk failed and said why (${messages.join("; ")}), 0 processes died, first success ${tookMs} ms after there was room, ${served} of ${rows.length} artifacts served, all whole`,
      );
      expect(tookMs).toBeLessThan(10_000);
    },
    200_000,
  );
});

async function addScript(world: FaultWorld, address: string): Promise<void> {
  const code = [
    "def main(mib):",
    '    with open("artifacts/file.bin", "wb") as file:',
    "        file.write(bytes(range(256)) * (mib * 4096))",
    "    return mib",
  ].join("\n");
  const config = { type: "python_script", code };
  const mcp = await world.call(address, "POST", "/api/v1/mcp-definitions", {
    name: "leaves-a-file",
    mcpType: "python_script",
    version: { version: "1.0.0", config },
  });
  expect(mcp.status).toBe(201);
  await world.addWorkflow(address, "leaves-a-file", [
    { id: "file", uses: "mcp:leaves-a-file@1.0.0", inputs: { mib: { input: "/mib" } } },
  ]);
}
