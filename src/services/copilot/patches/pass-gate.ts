import type { PatchTarget, Suggestion } from "../../../contracts/api/copilot.js";
import type { JsonObject, JsonValue } from "../../../core/json.js";
import type { FieldFault } from "../../../errors/app-error.js";
import type { Candidate } from "../candidate.js";
import { applyPatch } from "./apply-patch.js";
import { reviewChange } from "./review-change.js";

/** A document that patches change, and who judges what comes out. */
export interface GateDocument {
  readonly target: PatchTarget;
  /** What a model calls it. */
  readonly label: string;
  readonly value: JsonValue;
  /** Faults of a patched document: none is what lets a patch through. */
  judge(value: JsonValue): Promise<readonly FieldFault[]>;
}

/** What a gate judges by. */
export interface GateRules {
  /** The first is what the request is about. */
  readonly documents: readonly GateDocument[];
  /** Judges whole workflows; absent: none is taken. */
  judgeDefinition?(definition: JsonObject): Promise<readonly FieldFault[]>;
  /** Judges whole configurations; absent: none is taken. */
  judgeConfig?(config: JsonObject): Promise<readonly FieldFault[]>;
  /** Judges code of a model; absent: none is taken from it. */
  judgeCode?(code: string): Promise<readonly FieldFault[]>;
  /** A member without which a suggestion of a model answers nothing. */
  readonly demanded?: "definition" | "code";
}

/** A candidate's way out: a suggestion, or why it is none. */
export type GateVerdict = { readonly suggestion: Suggestion } | { readonly faults: readonly FieldFault[] };

const MOST_TITLE = 200;
const MOST_DETAIL = 8_000;
const MOST_CODE = 256 * 1024;

/**
 * The only way from a candidate to a client. Its patch is applied to the document and the whole is judged as if it were
 * to be stored; whole definitions and configurations are judged the same way. What does not hold goes no further.
 */
export async function passGate(
  rules: GateRules,
  candidate: Candidate,
  source: Suggestion["source"],
): Promise<GateVerdict> {
  const reasons = new Set<string>();
  const checks = [
    await checkPatch(rules, candidate, reasons),
    await checkWhole(candidate.definition, rules.judgeDefinition, "definition", reasons),
    await checkWhole(candidate.config, rules.judgeConfig, "config", reasons),
  ];
  const faults = checks.flat();
  if (source === "model") faults.push(...(await checkModels(rules, candidate)));
  if (candidate.code !== undefined && candidate.code.length > MOST_CODE)
    faults.push({ path: "/code", message: "is too long" });
  if (faults.length > 0 && candidate.withoutPatch === undefined) return { faults };
  const { kind, severity, code, evidence, estimate, call } = candidate;
  const whole = faults.length > 0 ? {} : wholeOf(rules, candidate);
  const reviewReasons = faults.length > 0 ? [] : [...reasons];
  return {
    suggestion: {
      kind,
      title: candidate.title.slice(0, MOST_TITLE).toWellFormed(),
      detail: (faults.length > 0 ? (candidate.withoutPatch ?? "") : candidate.detail)
        .slice(0, MOST_DETAIL)
        .toWellFormed(),
      // what reaches further is never a mere hint
      severity: reviewReasons.length > 0 && severity === "info" ? "warning" : severity,
      source,
      ...whole,
      ...(code === undefined ? {} : { code }),
      ...(call === undefined ? {} : { call }),
      requiresReview: reviewReasons.length > 0,
      reviewReasons,
      ...(evidence === undefined ? {} : { evidence }),
      ...(estimate === undefined || faults.length > 0 ? {} : { estimate }),
    },
  };
}

async function checkModels(rules: GateRules, candidate: Candidate): Promise<FieldFault[]> {
  const { demanded, judgeCode } = rules;
  if (demanded !== undefined && candidate[demanded] === undefined)
    return [{ path: `/${demanded}`, message: "is required" }];
  if (candidate.code === undefined) return [];
  if (!judgeCode) return [{ path: "/code", message: "was not asked for" }];
  return [...(await judgeCode(candidate.code))];
}

function wholeOf(rules: GateRules, { patch, target, definition, config }: Candidate) {
  const document = findDocument(rules, target);
  return {
    ...(patch && document ? { target: document.target, patch: [...patch] } : {}),
    ...(definition === undefined ? {} : { definition }),
    ...(config === undefined ? {} : { config }),
  };
}

async function checkPatch(
  rules: GateRules,
  { patch, target }: Candidate,
  reasons: Set<string>,
): Promise<FieldFault[]> {
  if (patch === undefined) return [];
  const document = findDocument(rules, target);
  if (!document) return [{ path: "/patch", message: "there is nothing that it could change" }];
  const patched = applyPatch(document.value, patch);
  if ("fault" in patched) return [{ path: "/patch", message: patched.fault }];
  if (JSON.stringify(patched.value) === JSON.stringify(document.value))
    return [{ path: "/patch", message: "changes nothing" }];
  const faults = await document.judge(patched.value);
  if (faults.length === 0)
    for (const reason of reviewChange(document.value, patched.value)) reasons.add(reason);
  return faults.slice(0, 20).map(({ path, message }) => ({ path: `/patch → ${path}`, message }));
}

async function checkWhole(
  value: JsonObject | undefined,
  judge: ((value: JsonObject) => Promise<readonly FieldFault[]>) | undefined,
  name: string,
  reasons: Set<string>,
): Promise<FieldFault[]> {
  if (value === undefined) return [];
  if (!judge) return [{ path: `/${name}`, message: "was not asked for" }];
  const faults = await judge(value);
  if (faults.length === 0) for (const reason of reviewChange(undefined, value)) reasons.add(reason);
  return faults.slice(0, 20).map(({ path, message }) => ({ path: `/${name}${path}`, message }));
}

function findDocument({ documents }: GateRules, target: PatchTarget | undefined): GateDocument | undefined {
  if (target === undefined) return documents[0];
  return documents.find((one) => JSON.stringify(one.target) === JSON.stringify(target));
}
