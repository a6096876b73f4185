import { z } from "zod";
import type { OutgoingGuard } from "../../outgoing/outgoing-guard.js";
import {
  codeField,
  findPathFault,
  innerPathField,
  memoryMbField,
  outgoingUrlField,
  textField,
} from "../config-fields.js";
import { pythonRequirementsField } from "../script/definition.js";
import type { ExecutorDefinition } from "../types.js";

const MAX_FILES = 500;
const MAX_FILE_CHARACTERS = 1024 * 1024;
const MAX_TOTAL_CHARACTERS = 8 * 1024 * 1024;

const filesField = z.record(z.string(), textField(MAX_FILE_CHARACTERS)).superRefine((files, context) => {
  const paths = Object.keys(files);
  const fail = (message: string, path: string[] = []): void =>
    context.addIssue({ code: "custom", path, message });
  if (paths.length === 0 || paths.length > MAX_FILES) return fail(`must have 1 to ${MAX_FILES} files`);
  const total = Object.values(files).reduce((sum, text) => sum + text.length, 0);
  if (total > MAX_TOTAL_CHARACTERS) fail(`must have at most ${MAX_TOTAL_CHARACTERS} characters in all`);
  for (const path of paths) {
    const fault = findPathFault(path);
    if (fault) fail(fault, [path]);
  }
  return undefined;
});

/** What the configuration of apps depends on. */
export interface StreamlitAppOptions {
  /** Judges the URL of a repository. */
  readonly guard: Pick<OutgoingGuard, "findUrlFault">;
}

/** Configuration of a Streamlit app. */
export function createStreamlitAppConfigSchema({ guard }: StreamlitAppOptions) {
  return z
    .strictObject({
      type: z.literal("streamlit_app"),
      code: codeField.optional(),
      files: filesField.optional(),
      gitRepoUrl: outgoingUrlField({ protocols: ["https:"], guard }).optional(),
      mainScriptPath: innerPathField.default("app.py"),
      requirements: pythonRequirementsField,
      mode: z.enum(["server", "browser"]).default("server"),
      idleTimeoutSeconds: z.int().min(10).max(604_800).default(1_800),
      memoryMb: memoryMbField,
    })
    .superRefine((config, context) => {
      const fail = (path: string, message: string): void =>
        context.addIssue({ code: "custom", path: [path], message });
      const given = (["code", "files", "gitRepoUrl"] as const).filter((name) => config[name] !== undefined);
      if (given.length !== 1)
        fail(given[1] ?? "code", "exactly one of code, files and gitRepoUrl must be given");
      if (!config.mainScriptPath.endsWith(".py")) fail("mainScriptPath", "must end in .py");
      if (config.files && !Object.hasOwn(config.files, config.mainScriptPath)) {
        fail("mainScriptPath", "must be one of the files");
      }
      if (config.mode === "browser" && config.gitRepoUrl !== undefined)
        fail("gitRepoUrl", "is for apps of the mode server");
    });
}
export type StreamlitAppConfig = z.infer<ReturnType<typeof createStreamlitAppConfigSchema>>;

/** Streamlit apps as a component type. */
export function createStreamlitAppDefinition(
  options: StreamlitAppOptions,
): ExecutorDefinition<StreamlitAppConfig> {
  return {
    type: "streamlit_app",
    configSchema: createStreamlitAppConfigSchema(options),
    label: "Streamlit app",
    description: "Serves an app that reads the step's inputs and may send values back.",
    copilotPrompt:
      "Exactly one of code, files and gitRepoUrl. The app is Python with streamlit; it reads the step's inputs, and may send " +
      "values back that become the output of a step with waitForSubmit.",
  };
}
