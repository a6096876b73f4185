import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join, relative, resolve, sep } from "node:path";
import { parseAllDocuments } from "yaml";
import { z } from "zod";
import { usageError } from "./cli-error.js";

const tags = z.array(z.string()).optional();
const description = z.string().optional();

/** `kind: Mcp`: one version of a component. */
const mcpManifestSchema = z.strictObject({
  kind: z.literal("Mcp"),
  name: z.string(),
  description,
  tags,
  mcpType: z.string(),
  version: z.string(),
  config: z.record(z.string(), z.unknown()),
  inputSchema: z.unknown().optional(),
  outputSchema: z.unknown().optional(),
  secrets: z.array(z.string()).optional(),
  externalDbConfigs: z.array(z.string()).optional(),
});
export type McpManifest = z.infer<typeof mcpManifestSchema>;

/** `kind: Workflow`: the newest version of a workflow. */
const workflowManifestSchema = z.strictObject({
  kind: z.literal("Workflow"),
  name: z.string(),
  description,
  tags,
  definition: z.record(z.string(), z.unknown()),
});
export type WorkflowManifest = z.infer<typeof workflowManifestSchema>;

/** `kind: Schedule`; what it leaves out stays as it is. */
const scheduleManifestSchema = z.strictObject({
  kind: z.literal("Schedule"),
  name: z.string(),
  workflow: z.string(),
  cron: z.string().optional(),
  everySeconds: z.number().optional(),
  timezone: z.string().optional(),
  input: z.unknown().optional(),
  enabled: z.boolean().optional(),
  overlap: z.string().optional(),
  catchUp: z.string().optional(),
});
export type ScheduleManifest = z.infer<typeof scheduleManifestSchema>;

/** What a file or a folder of YAML asks for; each with the place it was read from. */
export interface Manifests {
  readonly mcps: readonly (McpManifest & { readonly source: string })[];
  readonly workflows: readonly (WorkflowManifest & { readonly source: string })[];
  readonly schedules: readonly (ScheduleManifest & { readonly source: string })[];
}

/**
 * Reads a YAML file (one or several documents), or all of a folder's with its sub-folders.
 * `config.codeFile: ./x.py` is read relative to its YAML file and becomes `config.code`, `config.notebookFile:
 * ./x.ipynb` becomes `config.notebook`; a step's input
 * `{ valueFile: ./data.csv }` becomes `{ value: <the file's text> }`, or its contents for `.json`. Documents of
 * `kind: Example` are passed over.
 * @throws CliError (exit code 2) with every fault of every file.
 */
export function loadManifests(path: string): Manifests {
  const files = listYamlFiles(path);
  const faults: string[] = [];
  const mcps: (McpManifest & { source: string })[] = [];
  const workflows: (WorkflowManifest & { source: string })[] = [];
  const schedules: (ScheduleManifest & { source: string })[] = [];
  for (const file of files) {
    for (const { value, source, fault } of readDocuments(file)) {
      const kind = (value as { kind?: unknown } | null | undefined)?.kind;
      if (fault !== undefined) faults.push(fault);
      else if (kind === "Mcp") {
        const parsed = mcpManifestSchema.safeParse(value);
        if (!parsed.success) faults.push(`${source}: ${inOneLine(parsed.error)}`);
        else {
          const config = withFiles(parsed.data, file, source, faults);
          mcps.push({ ...parsed.data, config, source });
        }
      } else if (kind === "Workflow") {
        const parsed = workflowManifestSchema.safeParse(value);
        if (!parsed.success) faults.push(`${source}: ${inOneLine(parsed.error)}`);
        else {
          const definition = withValueFiles(parsed.data.definition, file, source, faults);
          workflows.push({ ...parsed.data, definition, source });
        }
      } else if (kind === "Schedule") {
        const parsed = scheduleManifestSchema.safeParse(value);
        if (!parsed.success) faults.push(`${source}: ${inOneLine(parsed.error)}`);
        else schedules.push({ ...parsed.data, source });
      } else if (kind !== "Example") {
        faults.push(`${source}: kind must be Mcp, Workflow or Schedule`);
      }
    }
  }
  if (faults.length > 0) throw usageError(faults.join("\n"), { faults });
  if (mcps.length + workflows.length + schedules.length === 0)
    throw usageError(`${path} holds no Mcp, no Workflow and no Schedule.`);
  return { mcps, workflows, schedules };
}

function listYamlFiles(path: string): string[] {
  if (!existsSync(path)) throw usageError(`There is no file or folder ${path}.`);
  if (!statSync(path).isDirectory()) return [path];
  return readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.ya?ml$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((file) => !file.split(sep).includes("node_modules"))
    .sort();
}

function readDocuments(file: string): { value?: unknown; source: string; fault?: string }[] {
  const shown = relative(process.cwd(), file) || file;
  const documents = parseAllDocuments(readFileSync(file, "utf8"), {
    version: "1.2",
    schema: "core",
    uniqueKeys: true,
  });
  if (!Array.isArray(documents)) return [];
  return documents
    .map((document, index) => {
      const source = documents.length > 1 ? `${shown} (document ${index + 1})` : shown;
      const [error] = document.errors;
      if (error) return { source, fault: `${source}: ${error.message.split("\n")[0]}` };
      return { source, value: document.toJS({ maxAliasCount: 100 }) as unknown };
    })
    .filter((document) => document.fault !== undefined || document.value !== null);
}

/** Of `config`: a member that names a file, and the one that the file's contents become. */
const CONFIG_FILES = [
  { from: "codeFile", to: "code", read: (text: string): unknown => text },
  { from: "notebookFile", to: "notebook", read: (text: string): unknown => JSON.parse(text) as unknown },
] as const;

/** The version's configuration with its files read and its type filled in. */
function withFiles(
  manifest: McpManifest,
  file: string,
  source: string,
  faults: string[],
): Record<string, unknown> {
  const config: Record<string, unknown> = { type: manifest.mcpType, ...manifest.config };
  for (const { from, to, read } of CONFIG_FILES) {
    const { [from]: name } = config;
    if (name === undefined) continue;
    delete config[from];
    if (typeof name !== "string" || to in config) {
      faults.push(`${source}: config takes either ${to} or ${from} (a path)`);
      continue;
    }
    const path = resolve(dirname(file), name);
    if (!existsSync(path)) {
      faults.push(`${source}: config.${from} names ${name}, which does not exist`);
      continue;
    }
    try {
      config[to] = read(readFileSync(path, "utf8"));
    } catch (error) {
      faults.push(`${source}: config.${from} names ${name}: ${(error as Error).message}`);
    }
  }
  return config;
}

/** A step's constant inputs may stand in files of their own: data is easier to read there than inside YAML. */
function withValueFiles(
  definition: Record<string, unknown>,
  file: string,
  source: string,
  faults: string[],
): Record<string, unknown> {
  const parsed = stepsWithFilesSchema.safeParse(definition);
  if (!parsed.success) return definition; // not a definition: the API names its faults
  const steps = parsed.data.steps.map((step, index) => {
    if (!step.inputs) return step;
    const inputs = Object.entries(step.inputs).map(([name, mapping]) => {
      const wanted = valueFileSchema.safeParse(mapping);
      if (!wanted.success) return [name, mapping];
      const path = resolve(dirname(file), wanted.data.valueFile);
      try {
        const text = readFileSync(path, "utf8");
        return [name, { value: path.endsWith(".json") ? (JSON.parse(text) as unknown) : text }];
      } catch (error) {
        faults.push(`${source}: steps.${index}.inputs.${name}.valueFile: ${(error as Error).message}`);
        return [name, mapping];
      }
    });
    return { ...step, inputs: Object.fromEntries(inputs) as Record<string, unknown> };
  });
  return { ...definition, steps };
}

const valueFileSchema = z.strictObject({ valueFile: z.string() });
const stepsWithFilesSchema = z.looseObject({
  steps: z.array(z.looseObject({ inputs: z.record(z.string(), z.unknown()).optional() })),
});

function inOneLine(error: z.ZodError): string {
  return error.issues.map((issue) => `${issue.path.join(".") || "(document)"} ${issue.message}`).join("; ");
}
