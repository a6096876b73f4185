import { createPatch } from "rfc6902";
import type { PatchOperation, RepairSchema } from "../../../contracts/api/copilot.js";
import { isJsonObject, type JsonValue } from "../../../core/json.js";
import type { FieldFault } from "../../../errors/app-error.js";
import type { Candidate } from "../candidate.js";
import type { CopilotDeps } from "../copilot-deps.js";
import type { CopilotTask } from "../copilot-task.js";
import { inferSchema, widenSchema } from "../schema-repair/fit-schema.js";
import { mendSchema } from "../schema-repair/mend-schema.js";

/** What is wrong with a JSON Schema, and with it and a value that it should accept. */
export async function repairSchema(deps: CopilotDeps, body: RepairSchema): Promise<CopilotTask> {
  const schema = body.schema as JsonValue;
  const sample = body.sample as JsonValue | undefined;
  const { evaluator, judges } = deps;
  /** A schema is good when it is one, and takes the sample. */
  async function judge(value: JsonValue): Promise<readonly FieldFault[]> {
    const faults = await judges.schema(value);
    return faults.length > 0 || sample === undefined ? faults : await evaluator.validate(value, sample);
  }
  const faults = await judge(schema);
  return {
    purpose: "schema-repair",
    rules: { documents: [{ target: { kind: "schema" }, label: "schema", value: schema, judge }] },
    findings: findRepairs(schema, sample, faults),
    prompt: {
      task:
        "Repair this JSON Schema (draft 2020-12), so that it is valid" +
        (sample === undefined ? "." : ", and accepts the sample without accepting everything.") +
        " Patches are against `schema`.",
      sections: [
        { name: "schema", value: schema },
        ...(sample === undefined ? [] : [{ name: "sample", value: sample }]),
        ...(body.error === undefined ? [] : [{ name: "error", value: body.error }]),
        { name: "faults", value: faults.slice(0, 100).map(({ path, message }) => ({ path, message })) },
      ],
    },
  };
}

function findRepairs(
  schema: JsonValue,
  sample: JsonValue | undefined,
  faults: readonly FieldFault[],
): Candidate[] {
  const listed = faults.slice(0, 50).map(
    ({ path, message }): Candidate => ({
      kind: "schema-fault",
      title: `${path || "It"} ${message}`,
      detail: `${path || "/"}: ${message}`,
      severity: "error",
    }),
  );
  const isEmpty = !isJsonObject(schema) || Object.keys(schema).length === 0;
  if (isEmpty && sample !== undefined) return [...infer(schema, sample), ...listed];
  const mended = mendSchema(schema);
  const changes = new Set(mended.changes);
  const widened = sample === undefined ? mended.schema : widenSchema(mended.schema, sample, changes);
  const candidates: Candidate[] = [];
  if (mended.changes.length > 0)
    candidates.push(
      toCandidate(
        "schema-form",
        "It can be put as JSON Schema 2020-12 wants it",
        schema,
        mended.schema,
        mended.changes,
      ),
    );
  if (sample !== undefined && changes.size > mended.changes.length)
    candidates.push(
      toCandidate("schema-too-narrow", "It can be widened to take the sample", schema, widened, [...changes]),
    );
  return [...candidates, ...listed];
}

function infer(schema: JsonValue, sample: JsonValue): Candidate[] {
  const inferred = inferSchema(sample);
  return [
    toCandidate("schema-missing", "A schema can be drawn from the sample", schema, inferred, [
      "every member of the sample is required: take out what may be missing",
    ]),
  ];
}

function toCandidate(
  kind: string,
  title: string,
  before: JsonValue,
  after: JsonValue,
  changes: readonly string[],
): Candidate {
  const isWhole = !isJsonObject(before) || Object.keys(before).length === 0;
  const patch = isWhole
    ? [{ op: "replace" as const, path: "", value: after }]
    : (createPatch(before, after) as PatchOperation[]);
  return {
    kind,
    title,
    detail: `${changes.slice(0, 50).join("; ")}.`,
    severity: "warning",
    patch,
    code: JSON.stringify(after, undefined, 2),
  };
}
