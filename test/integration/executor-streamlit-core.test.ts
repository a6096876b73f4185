import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { expect } from "@jest/globals";
import { readInstallerEnvironment } from "../../src/config/installer-environment.js";
import { newId } from "../../src/core/ids.js";
import type { JsonObject } from "../../src/core/json.js";
import { createExecutors } from "../../src/executors/registry.js";
import type { Executor } from "../../src/executors/types.js";
import { openApps } from "../../workers/apps/open-apps.js";
import { createResultSpool } from "../../workers/execution/result-spool.js";
import { createSecretMask } from "../../workers/execution/secret-mask.js";
import { createSandbox } from "../../workers/sandbox/create-sandbox.js";
import { type CoreSubject, describeExecutorCore } from "../contracts/executor-core.contract.js";
import { openAppHarness, startExecution } from "../support/app-harness.js";
import { eventually } from "../support/eventually.js";
import { listProcessesIn } from "../support/execution.js";
import { APP_CACHE, describeStreamlit, findStreamlit } from "../support/streamlit.js";

const python = await findStreamlit();
const SECRET = "hunter22";
const code = "import streamlit as st\nst.title('hello')\n";
const config = (more: JsonObject = {}): JsonObject => ({ type: "streamlit_app", code, ...more });

/** A package index that has nothing, and for one package never says so. */
async function openIndex(): Promise<{ server: Server; url: string; asked: string[] }> {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(request.url ?? "");
    if (!request.url?.includes("never-answered")) response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { server, asked, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/simple` };
}

describeStreamlit(python, "Streamlit", () => {
  let index: Awaited<ReturnType<typeof openIndex>>;
  let environments: string;

  async function open(): ReturnType<CoreSubject["open"]> {
    index = await openIndex();
    const harness = await openAppHarness({ PYTHON: python ?? "" });
    const worker = await createSandbox({ requested: "auto", workRoot: join(APP_CACHE, "work") });
    const { DATA_DIR } = harness.platform.settings;
    const spool = createResultSpool({ ...harness.platform, folder: join(DATA_DIR, "spool") });
    const apps = await openApps(harness.platform, { id: newId(), isolation: worker, spool });
    environments = join(worker.workdirs.root, ".cache/environments");
    const executors = createExecutors({
      python,
      cacheRoot: join(worker.workdirs.root, ".cache"),
      installerEnv: { ...readInstallerEnvironment(), PIP_INDEX_URL: index.url, PIP_RETRIES: "0" },
    });
    return {
      executor: executors.get("streamlit_app") as Executor,
      worker,
      apps: async () => await startExecution(harness, apps.host, { mask: createSecretMask([SECRET]) }),
      async close() {
        await Promise.all([...executors.values()].map((each) => each.close?.()));
        await apps.close();
        await worker.sandbox.close();
        await harness.close();
        index.server.closeAllConnections();
        index.server.close();
      },
    };
  }

  describeExecutorCore({
    name: "streamlit_app",
    // an app speaks once somebody looks at it, and outlives the execution that this suite follows: its log, its secrets
    // and the size of what it sends back are tested where people open apps
    has: { logs: false, progress: false, tokens: false, secrets: false },
    hasFixedOutput: true,
    open,
    cases: () => ({
      succeeds: {
        config: config(),
        input: { region: "north" },
        output: {
          appId: expect.any(String),
          url: expect.stringMatching(/^\/apps\/[\w-]+\/$/),
          status: "running",
        },
      },
      fails: {
        config: config({ requirements: ["headrace-no-such-package==1.0"] }),
        code: "upstream_error",
        message: "pip install failed",
      },
      badInput: {
        config: config({ mode: "browser" }),
        input: { key: SECRET },
        message: "cannot have secrets",
      },
      badConfigs: [
        [config({ code: "" }), "/code"],
        [config({ gitRepoUrl: "https://example.com/a.git" }), "/gitRepoUrl"],
        [config({ mainScriptPath: "../app.py" }), "/mainScriptPath"],
        [config({ colour: "blue" }), "/colour"],
      ],
      hangs: {
        config: config({ requirements: ["never-answered==1.0"] }),
        async waitUnderway() {
          index.asked.length = 0;
          await eventually(
            "pip waits for its index",
            () => index.asked.some((path) => path.includes("never-answered")),
            60_000,
          );
          return listProcessesIn(environments);
        },
      },
    }),
  });
});
