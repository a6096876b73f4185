import { spawn } from "node:child_process";
import { once } from "node:events";
import { describe, expect, it } from "@jest/globals";
import { listDescendants, listProcesses } from "./process-table.js";

describe("descendants", () => {
  it("are the process and its children's children, and nobody else", async () => {
    const shell = spawn("/bin/sh", ["-c", "sh -c 'sleep 30 & echo up; wait' & wait"], { detached: true });
    try {
      await once(shell.stdout, "data");
      const found = listDescendants(shell.pid ?? 0);
      const others = listProcesses().filter(({ groupId }) => groupId === shell.pid);
      expect(found?.map(({ pid }) => pid).sort()).toEqual(others.map(({ pid }) => pid).sort());
      expect(found).toHaveLength(3);
    } finally {
      process.kill(-(shell.pid ?? 0), "SIGKILL");
    }
  });

  it("of a process that is gone are none", () => {
    expect(listDescendants(2 ** 22 + 1)).toEqual([]);
  });
});
