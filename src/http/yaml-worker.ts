import { parentPort, workerData } from "node:worker_threads";
import { readYaml } from "./read-yaml.js";

// a thread's entry: started by parse-yaml.ts, ended by it when it takes too long
parentPort?.postMessage(readYaml(String(workerData)));
