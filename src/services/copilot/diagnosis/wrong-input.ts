import type { PatchOperation } from "../../../contracts/api/copilot.js";
import { toPointer } from "../../../core/json-pointer.js";
import { isJsonObject } from "../../../core/json.js";
import type { Candidate } from "../candidate.js";
import { nearestName, typeOf, typesOf } from "../json-types.js";
import { type DiagnosisRule, evidenceOf, type Failure, textOf } from "./failure.js";

const UNEXPECTED = /main\(\) got an unexpected keyword argument '([^']+)'(?:\. Did you mean '([^']+)')?/;
const MISSING = /main\(\) missing \d+ required (?:positional|keyword-only) arguments?: (.+)/;
/** As the harness of Python scripts says it, before `main` is called. */
const LACKED = /main\(\) lacks the input '([^']+)'/g;
const UNKNOWN = /main\(\) takes no input '([^']+)'/g;

/** The step got what its component does not take. */
export const wrongInput: DiagnosisRule = {
  kind: "wrong-input",
  explain: (failure) => [...explainTypes(failure), ...explainNames(failure)],
};

/** By the schema and the inputs of this very run. */
function explainTypes(failure: Failure): Candidate[] {
  const { error, component, inputs, step, path } = failure;
  const properties = component?.inputSchema?.["properties"];
  if (error.code !== "invalid_input" || !isJsonObject(properties) || !isJsonObject(inputs)) return [];
  return Object.entries(properties).flatMap(([name, schema]): Candidate[] => {
    const given = inputs[name];
    const wanted = isJsonObject(schema) ? typesOf(schema) : undefined;
    const mapping = step.inputs[name];
    if (given === undefined || !wanted || !mapping || wanted.includes(typeOf(given))) return [];
    if (typeOf(given) === "integer" && wanted.includes("number")) return [];
    const convert =
      CONVERSIONS[`${typeOf(given) === "integer" ? "number" : typeOf(given)}→${wanted[0] ?? ""}`];
    const source =
      "step" in mapping
        ? `steps.${quote(mapping.step)}.output${toPath(mapping.output)}`
        : "input" in mapping
          ? `input${toPath(mapping.input)}`
          : undefined;
    const patch: PatchOperation[] =
      convert !== undefined && source !== undefined
        ? [
            {
              op: "replace",
              path: `${path}/inputs${toPointer([name])}`,
              value: { expression: convert(source) },
            },
          ]
        : [];
    return [
      {
        kind: wrongInput.kind,
        title: `${step.id} got ${typeOf(given)} for ${name}, and takes ${wanted.join(" or ")}`,
        detail: `The inputSchema of ${component?.name} ${component?.version} wants ${wanted.join(" or ")} for ${name}; this run gave ${typeOf(given)}.`,
        severity: "error",
        target: failure.targets.definition,
        ...(patch.length > 0 ? { patch } : {}),
        withoutPatch: `The component wants ${wanted.join(" or ")} for ${name}; this run gave ${typeOf(given)}.`,
        evidence: evidenceOf(failure, [error.message]),
      },
    ];
  });
}

const CONVERSIONS: Readonly<Record<string, (text: string) => string>> = {
  "string→number": (text) => `$number(${text})`,
  "string→integer": (text) => `$number(${text})`,
  "number→string": (text) => `$string(${text})`,
  "boolean→string": (text) => `$string(${text})`,
  "object→array": (text) => `[${text}]`,
};

function toPath(pointer: string): string {
  return pointer
    .split("/")
    .slice(1)
    .map((token) => (/^\d+$/.test(token) ? `[${token}]` : `.${quote(token)}`))
    .join("");
}

function quote(name: string): string {
  return /^[A-Za-z_][A-Za-z0-9_]*$/.test(name) ? name : `\`${name}\``;
}

/** What `main` was not given, what it does not take, and where that is said. */
interface Misnamed {
  readonly line: string;
  readonly missing: readonly string[];
  readonly unexpected: string | undefined;
  /** What Python believes was meant. */
  readonly suggested: string | undefined;
}

function readNames(failure: Failure): Misnamed | undefined {
  const text = textOf(failure);
  const [unexpectedLine, unexpected, suggested] = UNEXPECTED.exec(text) ?? [];
  const [missingLine, list = ""] = MISSING.exec(text) ?? [];
  const line = unexpectedLine ?? missingLine;
  const namesIn = (pattern: RegExp, some: string) => [...some.matchAll(pattern)].map(([, name = ""]) => name);
  if (line !== undefined) return { line, missing: namesIn(/'([^']+)'/g, list), unexpected, suggested };
  const lacked = namesIn(LACKED, failure.error.message);
  const [unknown] = namesIn(UNKNOWN, failure.error.message);
  if (lacked.length === 0 && unknown === undefined) return undefined;
  return {
    line: failure.error.message,
    missing: lacked,
    unexpected: lacked.length === 0 ? unknown : undefined,
    suggested: undefined,
  };
}

/** By what is said of `main`: by Python, or by the harness that calls it. */
function explainNames(failure: Failure): Candidate[] {
  const { step, path, written, targets } = failure;
  const said = readNames(failure);
  if (!said) return [];
  const { line, missing, unexpected, suggested } = said;
  const names = Object.keys(step.inputs);
  const renames =
    unexpected === undefined
      ? missing.flatMap((name) => {
          const near = nearestName(name, names);
          return near === undefined || near === name ? [] : [{ from: near, to: name }];
        })
      : suggested === undefined || !names.includes(unexpected)
        ? []
        : [{ from: unexpected, to: suggested }];
  const isMapped = isJsonObject(written["inputs"]);
  const patch = renames.map(
    ({ from, to }): PatchOperation => ({
      op: "move",
      from: `${path}/inputs${toPointer([from])}`,
      path: `${path}/inputs${toPointer([to])}`,
    }),
  );
  const what = unexpected === undefined ? `lacks ${missing.join(", ")}` : `does not take ${unexpected}`;
  return [
    {
      kind: wrongInput.kind,
      title: `main of ${step.id} ${what}`,
      detail:
        `The step maps ${names.join(", ") || "nothing"}; each mapping becomes a keyword argument of main. ` +
        (patch.length > 0
          ? "The patch renames the mapping."
          : "Map what it takes, or let main take **others."),
      severity: "error",
      target: targets.definition,
      ...(patch.length > 0 && isMapped ? { patch } : {}),
      withoutPatch: `The step maps ${names.join(", ") || "nothing"}; each mapping becomes a keyword argument of main.`,
      evidence: evidenceOf(failure, [line]),
    },
  ];
}
