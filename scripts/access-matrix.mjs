// npm run access-matrix: writes docs/access-matrix.md from the route table of a real API, and checks each line of it.
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { root } from "./ensure-ready.mjs";

const { status } = spawnSync(
  process.execPath,
  [join(root, "scripts", "test.mjs"), "test/integration/access-every-route.test.ts"],
  { cwd: root, stdio: "inherit", env: { ...process.env, WRITE_ACCESS_MATRIX: "1" } },
);
process.exitCode = status ?? 1;
