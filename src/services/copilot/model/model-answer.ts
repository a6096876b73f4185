import { z } from "zod";
import type { PatchOperation } from "../../../contracts/api/copilot.js";
import { isJsonObject, type JsonObject } from "../../../core/json.js";
import { toStorableText } from "../../../core/storable-text.js";
import { parseAnswer } from "../../../executors/llm/parse-answer.js";
import type { Candidate } from "../candidate.js";
import { isHarmless } from "../patches/apply-patch.js";
import type { GateRules } from "../patches/pass-gate.js";
import { withoutControls } from "./without-controls.js";

const MOST_SUGGESTIONS = 20;
const MOST_SUMMARY = 4_000;

const operationSchema = z.strictObject({
  op: z.enum(["add", "remove", "replace", "move", "copy", "test"]),
  path: z.string().max(2_000),
  from: z.string().max(2_000).optional(),
  value: z.json().optional(),
});

const suggestionSchema = z.object({
  title: z.string().trim().min(1).max(500),
  detail: z.string().trim().min(1).max(20_000),
  severity: z.enum(["info", "warning", "error"]).catch("info"),
  target: z.string().max(300).nullish(),
  patch: z.array(operationSchema).max(200).nullish(),
  code: z
    .string()
    .max(256 * 1024)
    .nullish(),
  definition: z.record(z.string(), z.json()).nullish(),
  config: z.record(z.string(), z.json()).nullish(),
});

/** What a model is asked to answer, as JSON Schema. Members that a call does not take are left out. */
export function answerSchemaFor(rules: GateRules): JsonObject {
  const { judgeDefinition, judgeConfig, judgeCode, documents } = rules;
  const text = { type: "string" };
  const patch = {
    type: "array",
    description: "JSON Patch (RFC 6902). The whole document must be valid after it.",
    items: {
      type: "object",
      properties: {
        op: { type: "string", enum: ["add", "remove", "replace", "move", "copy", "test"] },
        path: { type: "string", description: "JSON Pointer into the target" },
        from: text,
        value: {},
      },
      required: ["op", "path"],
    },
  };
  return {
    type: "object",
    properties: {
      summary: { type: "string", description: "First: what you found, in a few sentences of plain prose." },
      suggestions: {
        type: "array",
        maxItems: MOST_SUGGESTIONS,
        items: {
          type: "object",
          properties: {
            title: text,
            detail: text,
            severity: { type: "string", enum: ["info", "warning", "error"] },
            ...(documents.length > 0 && {
              target: { type: "string", enum: documents.map((one) => one.label) },
              patch,
            }),
            ...(judgeCode && { code: text }),
            ...(judgeDefinition && { definition: { type: "object" } }),
            ...(judgeConfig && { config: { type: "object" } }),
          },
          required: ["title", "detail", "severity", ...(rules.demanded ? [rules.demanded] : [])],
        },
      },
    },
    required: ["summary", "suggestions"],
  };
}

/** What could be read of a model's answer. */
export interface ReadAnswer {
  readonly summary: string;
  readonly candidates: readonly Candidate[];
  /** Suggestions that could not be read, each with why. */
  readonly faults: readonly string[];
}

/** Reads an answer; a string says why it is none. Nothing in it is trusted. */
export function readAnswer(text: string, rules: GateRules): ReadAnswer | string {
  const parsed = parseAnswer(text);
  if (!parsed) return "it is no JSON";
  const { value } = parsed;
  if (!isJsonObject(value)) return "it is no object";
  if (!isHarmless(value)) return "it goes too deep, or has a member that reaches for a prototype";
  const { summary, suggestions } = value;
  if (!Array.isArray(suggestions)) return '"suggestions" is no array';
  const candidates: Candidate[] = [];
  const faults: string[] = [];
  for (const [at, given] of suggestions.slice(0, MOST_SUGGESTIONS).entries()) {
    const result = suggestionSchema.safeParse(given);
    if (result.success) candidates.push(toCandidate(result.data, rules));
    else faults.push(`suggestions[${at}]: ${z.prettifyError(result.error).slice(0, 500)}`);
  }
  const rest = Math.max(0, suggestions.length - MOST_SUGGESTIONS);
  if (rest > 0) faults.push(...Array.from({ length: Math.min(rest, 1_000) }, () => "one too many"));
  return { summary: cleanProse(typeof summary === "string" ? summary : ""), candidates, faults };
}

function toCandidate(given: z.infer<typeof suggestionSchema>, { documents }: GateRules): Candidate {
  const { title, detail, severity, patch, code, definition, config, target } = given;
  const document = documents.find((one) => one.label === target) ?? documents[0];
  return {
    kind: "model",
    title: cleanLine(title),
    detail: cleanText(detail),
    severity,
    // an empty patch is how many say that there is none
    ...(patch && patch.length > 0
      ? { patch: patch as PatchOperation[], ...(document ? { target: document.target } : {}) }
      : {}),
    ...(code == null || code === "" ? {} : { code: toStorableText(code) }),
    ...(definition == null ? {} : { definition: definition as JsonObject }),
    ...(config == null ? {} : { config: config as JsonObject }),
  };
}

/** What a model wrote as prose: bounded, without control characters. */
export function cleanProse(text: string): string {
  return cleanText(text.slice(0, MOST_SUMMARY));
}

function cleanText(text: string): string {
  return withoutControls(toStorableText(text));
}

function cleanLine(text: string): string {
  return cleanText(text).replace(/\s+/g, " ");
}
