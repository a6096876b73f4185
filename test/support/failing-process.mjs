// A supervised process of the built program whose work fails all the time, and writes why to its stderr.
import { runProcess } from "../../dist/src/lifecycle/run-process.js";

process.exitCode = await runProcess({
  start: async () => {
    setInterval(() => void Promise.reject(new Error("It fails")), 50).unref();
    const busy = setInterval(() => undefined, 1000);
    return { close: async () => clearInterval(busy) };
  },
  closeLimitMs: 2000,
  isSupervised: true,
  onFatal: (error) => process.stderr.write(`${String(error)}\n`),
});
process.exit();
