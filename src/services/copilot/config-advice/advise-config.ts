import { transform } from "esbuild";
import type { PatchOperation } from "../../../contracts/api/copilot.js";
import { resolvePointer } from "../../../core/json-pointer.js";
import type { JsonObject, JsonValue } from "../../../core/json.js";
import type { FieldFault } from "../../../errors/app-error.js";
import type { Candidate } from "../candidate.js";
import { nearestName } from "../json-types.js";
import { findPlainSecrets, hint } from "../plain-secrets.js";
import { importsOf, isRequirementOf, packageOf } from "./python-modules.js";

/** A configuration to look at. */
export interface AdvisedConfig {
  readonly mcpType: string;
  readonly config: JsonObject;
  /** The names that its type knows. */
  readonly fields: readonly string[];
  readonly faults: readonly FieldFault[];
}

type Rule = (advised: AdvisedConfig) => Candidate[] | Promise<Candidate[]>;

/** What analysis can tell of a configuration by itself. */
export async function findConfigAdvice(advised: AdvisedConfig): Promise<Candidate[]> {
  const rules: Rule[] = [
    repairFaults,
    findSecrets,
    findMissingRequirements,
    findUnpinnedRequirements,
    findUnboundedPrompt,
    findUnpinnedPackage,
    findSyntaxFaults,
  ];
  const found: Candidate[] = [];
  for (const rule of rules) found.push(...(await rule(advised)));
  return found;
}

/** Each fault, and one patch that mends what can be mended plainly. */
function repairFaults({ mcpType, config, fields, faults }: AdvisedConfig): Candidate[] {
  if (faults.length === 0) return [];
  const patch = faults.flatMap((fault): PatchOperation[] => {
    if (fault.path === "/type")
      return [{ op: config["type"] === undefined ? "add" : "replace", path: "/type", value: mcpType }];
    const value = resolvePointer(config, fault.path);
    if (fault.message === "unknown field") {
      const name = fault.path.slice(1);
      const near = nearestName(name.replaceAll(/[_-]/g, ""), fields);
      return near !== undefined && config[near] === undefined
        ? [{ op: "move", from: fault.path, path: `/${near}` }]
        : [{ op: "remove", path: fault.path }];
    }
    const converted = convert(value, fault.message);
    return converted === undefined ? [] : [{ op: "replace", path: fault.path, value: converted }];
  });
  const listed = faults.slice(0, 50).map(
    (fault): Candidate => ({
      kind: "invalid-config",
      title: `${fault.path || "The configuration"} ${fault.message}`,
      detail: `${fault.path || "/"}: ${fault.message}`,
      severity: "error",
    }),
  );
  if (patch.length === 0) return listed;
  const title = "The faults can be mended";
  const detail = "Unknown fields go or get the name that was meant, and values get the type that is wanted.";
  return [{ kind: "invalid-config", title, detail, severity: "error", patch }, ...listed];
}

function convert(value: JsonValue | undefined, message: string): JsonValue | undefined {
  if (typeof value === "string") {
    if (/expected (?:number|int)/.test(message) && value.trim() !== "" && Number.isFinite(Number(value)))
      return Number(value);
    if (/expected boolean/.test(message) && /^(true|false)$/i.test(value))
      return value.toLowerCase() === "true";
    if (/expected array/.test(message)) return value.split(/[\s,]+/).filter((part) => part !== "");
  }
  if (typeof value === "number") {
    const most = /(?:<=|at most) ?(\d+)/.exec(message)?.[1];
    const least = /(?:>=|at least) ?(\d+)/.exec(message)?.[1];
    if (most !== undefined) return Number(most);
    if (least !== undefined) return Number(least);
    if (/expected int/.test(message)) return Math.round(value);
  }
  return undefined;
}

function findSecrets({ mcpType, config }: AdvisedConfig): Candidate[] {
  return findPlainSecrets(config).map((secret) => {
    const isPackage = mcpType === "mcp_package";
    return {
      kind: "plain-secret",
      title: `The configuration holds what looks like ${secret.what}`,
      detail:
        `At ${secret.path} (${hint(secret.text)}). Everybody who may read components reads it. Store it as a secret, name it in ` +
        `the version's \`secrets\`, and read it ${isPackage ? "as ${secret:NAME}" : "from the environment"}. ` +
        "Then change it where it came from.",
      severity: "error" as const,
      evidence: { quotes: [`${secret.path}: ${hint(secret.text)}`] },
    };
  });
}

function codeOf({ config }: AdvisedConfig): string {
  const { code, cells } = config;
  if (typeof code === "string") return code;
  if (!Array.isArray(cells)) return "";
  return cells
    .map((cell) => (cell as JsonObject)["source"])
    .filter((source) => typeof source === "string")
    .join("\n");
}

function requirementsOf(config: JsonObject): string[] {
  return Array.isArray(config["requirements"])
    ? config["requirements"].filter((one) => typeof one === "string")
    : [];
}

function findMissingRequirements(advised: AdvisedConfig): Candidate[] {
  if (advised.mcpType !== "python_script" && advised.mcpType !== "streamlit_app") return [];
  const { config } = advised;
  const listed = requirementsOf(config);
  const missing = importsOf(codeOf(advised)).flatMap((module) => {
    const name = packageOf(module);
    const isGiven = advised.mcpType === "streamlit_app" && name === "streamlit";
    return name === undefined || isGiven || listed.some((one) => isRequirementOf(one, name))
      ? []
      : [{ module, name }];
  });
  if (missing.length === 0) return [];
  const patch: PatchOperation[] =
    config["requirements"] === undefined
      ? [{ op: "add", path: "/requirements", value: missing.map(({ name }) => name) }]
      : missing.map(({ name }) => ({ op: "add", path: "/requirements/-", value: name }));
  return [
    {
      kind: "missing-requirement",
      title: `${missing.map(({ module }) => module).join(", ")} ${missing.length > 1 ? "are" : "is"} imported and not required`,
      detail:
        "Without a requirement the import works only on machines that happen to have the package. " +
        `Installed would be ${missing.map(({ name }) => name).join(", ")}: see that these are the packages you mean.`,
      severity: "warning",
      patch,
    },
  ];
}

function findUnpinnedRequirements({ config }: AdvisedConfig): Candidate[] {
  const loose = requirementsOf(config).filter((one) => !/[=<>~@^].*\d/.test(one.replace(/^@/, "")));
  if (loose.length === 0) return [];
  return [
    {
      kind: "unpinned-requirement",
      title: `${loose.join(", ")} ${loose.length > 1 ? "have" : "has"} no version`,
      detail:
        "A version of a component never changes, but what it installs does. Name a version or a range, such as " +
        '"requests>=2.31,<3", so that it runs the same next year.',
      severity: "info",
    },
  ];
}

function findUnboundedPrompt({ mcpType, config }: AdvisedConfig): Candidate[] {
  if (mcpType !== "llm_prompt" || config["maxTokens"] !== undefined) return [];
  return [
    {
      kind: "unbounded-answer",
      title: "The answer has no limit",
      detail:
        "Without maxTokens an answer may be as long, and cost as much, as the model lets it. 1,024 tokens are about 700 words.",
      severity: "info",
      patch: [{ op: "add", path: "/maxTokens", value: 1_024 }],
    },
  ];
}

function findUnpinnedPackage({ mcpType, config }: AdvisedConfig): Candidate[] {
  const transport = config["transport"] as JsonObject | undefined;
  const args = transport?.["args"];
  if (
    mcpType !== "mcp_package" ||
    !Array.isArray(args) ||
    !["npx", "uvx"].includes(String(transport?.["command"]))
  )
    return [];
  const name = args.find((arg) => typeof arg === "string" && !arg.startsWith("-"));
  if (typeof name !== "string" || /.@[\w.^~]|[=]=/.test(name)) return [];
  return [
    {
      kind: "unpinned-package",
      title: `${name} has no version`,
      detail: `Each start may bring another server. Name the version, ${name}@1.2.3 for one: its tools are held to what they were.`,
      severity: "warning",
    },
  ];
}

/** TypeScript is parsed, never run; Python is not looked at, since that takes an interpreter. */
async function findSyntaxFaults({ mcpType, config }: AdvisedConfig): Promise<Candidate[]> {
  if (mcpType !== "typescript_script" || typeof config["code"] !== "string") return [];
  try {
    await transform(config["code"], { loader: "ts", logLevel: "silent" });
    return [];
  } catch (error) {
    const { errors = [] } = error as {
      errors?: { text: string; location?: { line: number; lineText: string } | null }[];
    };
    return errors.slice(0, 5).map(({ text, location }) => ({
      kind: "syntax-error",
      title: `Line ${location?.line ?? "?"} cannot be parsed: ${text}`,
      detail: `${text}\n${location?.lineText ?? ""}`,
      severity: "error" as const,
    }));
  }
}
