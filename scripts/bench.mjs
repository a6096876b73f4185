// npm run bench: Headrace against the raw queue. Arguments go to the benchmark; `--help` lists them.
import { assertNode, ensureReady } from "./ensure-ready.mjs";

assertNode();
ensureReady();
await import("../dist/bench/run-bench.js");
