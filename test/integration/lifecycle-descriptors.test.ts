import { spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { expect, it } from "@jest/globals";

const COMPILED = new URL("../../dist/src/lifecycle/close-inherited-descriptors.js", import.meta.url).href;
/** Beyond those that Node.js looks at, after a gap. */
const STRAY = 40;

/** The descriptors of a process that is started by one which was itself started with a stray one. */
async function listDescriptorsOfGrandchild(before: string): Promise<number[]> {
  const file = openSync(fileURLToPath(import.meta.url), "r");
  try {
    const program = `${before}
      const { spawnSync } = await import("node:child_process");
      spawnSync("ls", ["/proc/self/fd"], { stdio: ["ignore", 1, "ignore"] });`;
    const child = spawn(process.execPath, ["--input-type=module", "-e", program], {
      stdio: ["ignore", "pipe", "ignore", ...Array<"ignore">(STRAY - 3).fill("ignore"), file],
    });
    return (await text(child.stdout as NonNullable<typeof child.stdout>)).trim().split("\n").map(Number);
  } finally {
    closeSync(file);
  }
}

it("what a process was handed when it was started does not reach those that it starts", async () => {
  expect(await listDescriptorsOfGrandchild("")).toContain(STRAY);
  const descriptors = await listDescriptorsOfGrandchild(
    `(await import(${JSON.stringify(COMPILED)})).closeInheritedDescriptors();`,
  );
  expect(descriptors).toContain(1);
  expect(descriptors).not.toContain(STRAY);
});
