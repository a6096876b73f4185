// npm start: everything on this machine, from a bare clone. Arguments go to `headrace up`.
import { assertNode, ensureReady } from "./ensure-ready.mjs";

assertNode();
ensureReady();
process.argv = [process.argv[0], "headrace", "up", ...process.argv.slice(2)];
await import("../dist/src/cli/main.js");
