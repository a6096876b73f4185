import { workerData } from "node:worker_threads";

/**
 * Ends this process when its parent is gone, even while an endless expression keeps the main thread busy:
 * a killed worker must not leave a spinning evaluator behind.
 */
setInterval(() => {
  if (process.ppid !== workerData.parentPid) process.kill(process.pid, "SIGKILL");
}, 500);
