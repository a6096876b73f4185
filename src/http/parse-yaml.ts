import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { AppError, invalidFields } from "../errors/app-error.js";
import { readYaml, type YamlReading } from "./read-yaml.js";

/** Most YAML that is read: its parser is a hundred times slower than JSON's. */
const MOST_CHARS = 1024 * 1024;
/** Up to here the parser is done in a few milliseconds, whatever the text; starting a thread takes more. */
const MOST_INLINE_CHARS = 16 * 1024;
const DEADLINE_MS = 3000;
const MOST_THREADS = 2;

let threadCount = 0;

/**
 * Reads one YAML 1.2 document of plain data. A long text is read in a thread that is ended after three seconds,
 * so that none can hold up other requests.
 * @throws AppError INVALID_FIELDS naming line and column of each fault; BODY_TOO_LARGE above 1 MiB;
 * TOO_MANY_REQUESTS while two long ones are being read.
 */
export async function parseYaml(text: string): Promise<unknown> {
  if (text.length > MOST_CHARS) throw new AppError("BODY_TOO_LARGE", "A YAML body may have 1 MiB at most");
  const reading = text.length <= MOST_INLINE_CHARS ? readYaml(text) : await readInThread(text);
  if ("faults" in reading) throw invalidFields(reading.faults);
  return reading.value;
}

async function readInThread(text: string): Promise<YamlReading> {
  if (threadCount >= MOST_THREADS) {
    throw new AppError(
      "TOO_MANY_REQUESTS",
      "Other long YAML bodies are being read. Try again, or send JSON.",
      {
        headers: { "Retry-After": "1" },
      },
    );
  }
  threadCount += 1;
  const worker = new Worker(workerPath(), {
    workerData: text,
    env: {},
    resourceLimits: { maxOldGenerationSizeMb: 256, stackSizeMb: 4 },
  });
  try {
    return await firstAnswer(worker);
  } finally {
    await worker.terminate();
    threadCount -= 1;
  }
}

async function firstAnswer(worker: Worker): Promise<YamlReading> {
  return await new Promise((resolve) => {
    const refuse = (why: string) => resolve({ faults: [{ path: "", message: `YAML ${why}` }] });
    const timer = setTimeout(() => refuse("takes too long to read; send JSON"), DEADLINE_MS);
    worker.once("message", (reading: YamlReading) => resolve(reading));
    worker.once("error", () => refuse("takes too much memory to read; send JSON"));
    worker.once("exit", () => {
      clearTimeout(timer);
      refuse("cannot be read");
    });
  });
}

/** The compiled file: threads run no TypeScript. */
function workerPath(): string {
  const isCompiled = import.meta.url.endsWith(".js");
  return fileURLToPath(
    new URL(isCompiled ? "./yaml-worker.js" : "../../dist/src/http/yaml-worker.js", import.meta.url),
  );
}
