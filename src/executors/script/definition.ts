import { z } from "zod";
import { codeField, envField, memoryMbField, timeoutSecondsField } from "../config-fields.js";
import type { ExecutorDefinition } from "../types.js";

const MAX_REQUIREMENTS = 100;

/** PEP 508 without URLs: a name, extras, version specifiers, and a marker made of comparisons. */
const PYTHON_SPECIFIER = String.raw`(?:===?|~=|!=|<=|>=|<|>)[ ]*[A-Za-z0-9.*+!_-]+`;
const PYTHON_COMPARISON = String.raw`[a-z_.]+[ ]*(?:===?|~=|!=|<=|>=|<|>|in|not in)[ ]*(?:'[^'"\\]*'|"[^'"\\]*")`;
const PYTHON_REQUIREMENT = new RegExp(
  String.raw`^[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?` +
    String.raw`(?:\[[A-Za-z0-9._-]+(?:[ ]*,[ ]*[A-Za-z0-9._-]+)*\])?` +
    String.raw`(?:[ ]*${PYTHON_SPECIFIER}(?:[ ]*,[ ]*${PYTHON_SPECIFIER})*)?` +
    String.raw`(?:[ ]*;[ ]*${PYTHON_COMPARISON}(?:[ ]+(?:and|or)[ ]+${PYTHON_COMPARISON})*)?$`,
);

/** A name of the npm registry with a range or tag; no URLs, files, git addresses or aliases. */
const NPM_REQUIREMENT =
  /^(?:@[a-z0-9~][a-z0-9._~-]*\/)?[a-z0-9~][a-z0-9._~-]*(?:@[A-Za-z0-9.^~<>=*][A-Za-z0-9.^~<>=|*+ -]*)?$/;

function requirementsField(pattern: RegExp, example: string): z.ZodOptional<z.ZodArray<z.ZodString>> {
  return z
    .array(z.string().max(200).regex(pattern, `must be a package with a version, like ${example}`))
    .max(MAX_REQUIREMENTS)
    .optional();
}

/** Python packages that are installed for a component. */
export const pythonRequirementsField = requirementsField(PYTHON_REQUIREMENT, '"requests>=2.31"');

const sharedFields = {
  code: codeField,
  timeoutSeconds: timeoutSecondsField,
  memoryMb: memoryMbField,
  network: z.boolean().default(true),
  env: envField.optional(),
};

/** Configuration of a Python script. */
export const pythonScriptConfigSchema = z.strictObject({
  type: z.literal("python_script"),
  ...sharedFields,
  requirements: pythonRequirementsField,
});
export type PythonScriptConfig = z.infer<typeof pythonScriptConfigSchema>;

/** Configuration of a TypeScript script. */
export const typescriptScriptConfigSchema = z.strictObject({
  type: z.literal("typescript_script"),
  ...sharedFields,
  requirements: requirementsField(NPM_REQUIREMENT, '"zod@^4.0.0"'),
});
export type TypescriptScriptConfig = z.infer<typeof typescriptScriptConfigSchema>;

/** Configuration of a script in either language. */
export type ScriptConfig = PythonScriptConfig | TypescriptScriptConfig;

/** Python scripts as a component type. */
export const pythonScriptDefinition = {
  type: "python_script",
  configSchema: pythonScriptConfigSchema,
  label: "Python script",
  description: "Runs Python code: calls its main with the inputs, or reads what it prints.",
  copilotPrompt:
    "The code defines main(...): each input comes as a keyword argument, and what it returns, a JSON value, is the output. " +
    "It may be async; print() goes to the log. Files left in artifacts/ are kept. Packages stand in requirements as PEP 508 " +
    "names with versions. Secrets that the version names are environment variables. Raise exceptions on failure.",
} as const satisfies ExecutorDefinition<PythonScriptConfig>;

/** TypeScript scripts as a component type. */
export const typescriptScriptDefinition = {
  type: "typescript_script",
  configSchema: typescriptScriptConfigSchema,
  label: "TypeScript script",
  description:
    "Runs TypeScript code: calls its main or default export with the inputs, or reads what it prints.",
  copilotPrompt:
    "The code is an ES module that exports main or a default function: it gets all inputs as one object and returns the output, " +
    "a JSON value, or a promise of it. console.log goes to the log. npm packages stand in requirements as name@range. Secrets " +
    "that the version names are environment variables. Throw on failure.",
} as const satisfies ExecutorDefinition<TypescriptScriptConfig>;
