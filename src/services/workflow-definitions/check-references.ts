import { toPointer } from "../../core/json-pointer.js";
import type { InputMapping } from "../../core/plan.js";
import type { FieldFault } from "../../errors/app-error.js";
import type { ExpressionFacts } from "../evaluation-types.js";
import { explainMissingInput } from "./check-mappings.js";
import type { DraftDefinition, DraftStep } from "./parse-definition.js";

/** What is known of the names in a definition. */
export interface ReferenceFacts {
  readonly expressions: ReadonlyMap<string, ExpressionFacts>;
  /** Names of secrets that are mapped and not stored. */
  readonly unknownSecrets: ReadonlySet<string>;
}

/** One place in a definition that names something. */
interface Reference {
  readonly path: string;
  /** The id of the step that it stands in; undefined in the outputs. */
  readonly own: string | undefined;
  readonly names:
    | { readonly kind: "step"; readonly id: string }
    | { readonly kind: "expression"; readonly text: string }
    | { readonly kind: "secret"; readonly name: string }
    | { readonly kind: "input"; readonly pointer: string };
}

/** Faults and warnings of every name that a definition's mappings, conditions and dependencies hold. */
export function checkReferences(draft: DraftDefinition, facts: ReferenceFacts) {
  const references = listReferences(draft);
  const warnings = references.flatMap(({ path, names }) => {
    if (names.kind !== "input" || !draft.inputs) return [];
    const message = explainMissingInput(draft.inputs, names.pointer);
    return message === undefined ? [] : [{ path, message }];
  });
  const judge = createJudge(draft, facts);
  return { faults: [...findDuplicateIds(draft.steps), ...references.flatMap(judge)], warnings };
}

function listReferences(draft: DraftDefinition): Reference[] {
  const ofSteps = draft.steps.flatMap((step): Reference[] => {
    const base = `/steps/${step.index}`;
    const own = step.id;
    const condition: Reference[] =
      step.when === undefined
        ? []
        : [{ path: `${base}/when`, own, names: { kind: "expression", text: step.when } }];
    return [
      ...step.dependsOn.map((id, at): Reference => {
        return { path: `${base}/dependsOn/${at}`, own, names: { kind: "step", id } };
      }),
      ...condition,
      ...listMapped(`${base}/inputs`, step.inputs, own),
    ];
  });
  return [...ofSteps, ...listMapped("/outputs", draft.outputs, undefined)];
}

function listMapped(
  base: string,
  mappings: Readonly<Record<string, InputMapping>>,
  own: string | undefined,
): Reference[] {
  return Object.entries(mappings).flatMap(([name, mapping]): Reference[] => {
    const path = base + toPointer([name]);
    if ("step" in mapping) return [{ path: `${path}/step`, own, names: { kind: "step", id: mapping.step } }];
    if ("secret" in mapping) {
      return [{ path: `${path}/secret`, own, names: { kind: "secret", name: mapping.secret } }];
    }
    if ("input" in mapping) {
      return [{ path: `${path}/input`, own, names: { kind: "input", pointer: mapping.input } }];
    }
    if (!("expression" in mapping)) return [];
    return [{ path: `${path}/expression`, own, names: { kind: "expression", text: mapping.expression } }];
  });
}

function createJudge(draft: DraftDefinition, facts: ReferenceFacts): (reference: Reference) => FieldFault[] {
  const ids = new Set(draft.steps.flatMap((step) => step.id ?? []));
  const idByFirstWord = new Map([...ids].map((id) => [id.split("-", 1)[0] ?? id, id]));

  function judgeStep(path: string, id: string, own: string | undefined, unknown: string): FieldFault[] {
    // an id that is no text was reported as a fault of shape
    if (id === "") return [];
    if (!ids.has(id)) return [{ path, message: unknown }];
    return id === own ? [{ path, message: "a step cannot wait for itself" }] : [];
  }

  return ({ path, own, names }) => {
    if (names.kind === "step") return judgeStep(path, names.id, own, `there is no step "${names.id}"`);
    if (names.kind === "secret") {
      if (own === undefined && path.startsWith("/outputs")) {
        return [{ path, message: "a secret can be an input of a step, never an output" }];
      }
      const isUnknown = facts.unknownSecrets.has(names.name);
      return isUnknown ? [{ path, message: `there is no secret "${names.name}"` }] : [];
    }
    if (names.kind !== "expression") return [];
    const known = facts.expressions.get(names.text);
    // an unknown step first: its hint explains what else the expression's parser made of a hyphen
    return [
      ...(known?.stepIds ?? []).flatMap((id) => {
        const hint = hyphenHint(id, idByFirstWord);
        return judgeStep(path, id, own, `reads steps.${id}, which is no step${hint}`);
      }),
      ...(known?.error === undefined ? [] : [{ path, message: known.error }]),
    ];
  };
}

function findDuplicateIds(steps: readonly DraftStep[]): FieldFault[] {
  const firstById = new Map<string, number>();
  return steps.flatMap((step) => {
    if (step.id === undefined) return [];
    const first = firstById.get(step.id);
    if (first === undefined) firstById.set(step.id, step.index);
    if (first === undefined) return [];
    return [{ path: `/steps/${step.index}/id`, message: `"${step.id}" is the id of step ${first} already` }];
  });
}

/** `steps.my-step` is read as a subtraction: the commonest slip with ids that have a hyphen. */
function hyphenHint(id: string, idByFirstWord: ReadonlyMap<string, string>): string {
  const meant = idByFirstWord.get(id);
  return meant === undefined ? "" : `; an id with a hyphen stands in backquotes: steps.\`${meant}\``;
}
