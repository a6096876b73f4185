// A worker that runs one script in the sandbox and waits to be killed; prints the pids that the script prints.
// Arguments: the folder to work in, the component type, the script's code.
import { join } from "node:path";
import { createExecutors, mcpConfigSchema } from "../../dist/src/executors/registry.js";
import { createProcessSandbox } from "../../dist/workers/sandbox/process-sandbox.js";
import { createSandbox } from "../../dist/workers/sandbox/create-sandbox.js";
import { openWorkdirs } from "../../dist/workers/sandbox/workdir.js";

const [, , root, type, mode, code] = process.argv;
const warn = (message) => console.error(message);
const { sandbox, workdirs } =
  mode === "own-users"
    ? await createSandbox({ requested: "auto", workRoot: join(root, "work"), warn })
    : {
        sandbox: await createProcessSandbox({ level: "process", ownUsers: false, reasons: [], warn }),
        workdirs: await openWorkdirs({ root: join(root, "work") }),
      };
const executor = createExecutors({ cacheRoot: join(workdirs.root, ".cache") }).get(type);
const workdir = await workdirs.make();
await executor.execute(
  mcpConfigSchema.parse({ type, code }),
  {},
  {
    runId: "",
    stepId: "step",
    attempt: 1,
    signal: new AbortController().signal,
    emit: { log: (_stream, message) => console.log(message), progress() {}, token() {} },
    sandbox,
    workdir,
    timeoutSeconds: 60,
    secrets: {},
    limits: { maxOutputBytes: 1_000_000 },
  },
);
