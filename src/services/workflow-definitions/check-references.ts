import { escapePointerToken } from "../../core/json-pointer.js";
import { type InputMapping, type Phase, PHASES } from "../../core/plan.js";
import type { FieldFault } from "../../errors/app-error.js";
import type { ExpressionFacts } from "../evaluation-types.js";
import { explainMissingInput } from "./check-mappings.js";
import { type DraftDefinition, type DraftStep, STEP_LISTS } from "./parse-definition.js";

/** What is known of the names in a definition. */
export interface ReferenceFacts {
  readonly expressions: ReadonlyMap<string, ExpressionFacts>;
  /** Names of secrets that are mapped and not stored. */
  readonly unknownSecrets: ReadonlySet<string>;
}

/** One place in a definition that names something. */
interface Reference {
  readonly path: string;
  /** The step that it stands in; undefined in the outputs. */
  readonly own: DraftStep | undefined;
  readonly place: "dependsOn" | "when" | "forEach" | "input" | "cacheKey" | "output";
  readonly kind: "step" | "expression" | "secret" | "input";
  /** The step's id, the expression, the secret's name, or the pointer into the input. */
  readonly text: string;
}

type Visit = (reference: Reference) => void;
type Report = (path: string, message: string) => void;

/** Faults and warnings of every name that a definition's mappings, expressions and dependencies hold. */
export function checkReferences(draft: DraftDefinition, facts: ReferenceFacts) {
  const faults = [...findDuplicateIds(draft.steps), ...findUnfitRunKeys(draft, facts)];
  const warnings: FieldFault[] = [];
  const addFault: Report = (path, message) => faults.push({ path, message });
  const addWarning: Report = (path, message) => warnings.push({ path, message });
  const judgeStep = createStepJudge(draft, addFault);
  const judgeExpression = createExpressionJudge(draft, facts, judgeStep);
  visitReferences(draft, (reference) => {
    const { path, place, kind, text } = reference;
    if (kind === "step") judgeStep(reference, text, `there is no step "${text}"`);
    if (kind === "expression") judgeExpression(reference, addFault, addWarning);
    if (kind === "secret") {
      const message = explainSecret(place, text, facts);
      if (message !== undefined) addFault(path, message);
    }
    if (kind === "input" && draft.inputs) {
      const message = explainMissingInput(draft.inputs, text);
      if (message !== undefined) addWarning(path, message);
    }
  });
  return { faults, warnings };
}

/** There may be a hundred thousand of them: each is looked at once, none is kept. */
function visitReferences(draft: DraftDefinition, visit: Visit): void {
  for (const own of draft.steps) {
    const { path, dependsOn, when, forEach, inputs, cache } = own;
    dependsOn.forEach((text, at) => {
      visit({ path: `${path}/dependsOn/${at}`, own, place: "dependsOn", kind: "step", text });
    });
    if (when !== undefined) {
      visit({ path: `${path}/when`, own, place: "when", kind: "expression", text: when });
    }
    if (forEach !== undefined) visitMapping(`${path}/forEach`, forEach, own, "forEach", visit);
    visitMapped(`${path}/inputs`, inputs, own, "input", visit);
    if (cache?.key !== undefined) {
      visit({ path: `${path}/cache/key`, own, place: "cacheKey", kind: "expression", text: cache.key });
    }
  }
  visitMapped("/outputs", draft.outputs, undefined, "output", visit);
}

function visitMapped(
  base: string,
  mappings: Readonly<Record<string, InputMapping>>,
  own: DraftStep | undefined,
  place: Reference["place"],
  visit: Visit,
): void {
  for (const name in mappings) {
    const mapping = mappings[name];
    if (mapping) visitMapping(`${base}/${escapePointerToken(name)}`, mapping, own, place, visit);
  }
}

function visitMapping(
  path: string,
  mapping: InputMapping,
  own: DraftStep | undefined,
  place: Reference["place"],
  visit: Visit,
): void {
  if ("step" in mapping) visit({ path: `${path}/step`, own, place, kind: "step", text: mapping.step });
  else if ("input" in mapping)
    visit({ path: `${path}/input`, own, place, kind: "input", text: mapping.input });
  else if ("expression" in mapping) {
    visit({ path: `${path}/expression`, own, place, kind: "expression", text: mapping.expression });
  } else if ("secret" in mapping) {
    visit({ path: `${path}/secret`, own, place, kind: "secret", text: mapping.secret });
  }
}

type JudgeStep = (reference: Reference, id: string, unknown: string) => void;

function createStepJudge(draft: DraftDefinition, addFault: Report): JudgeStep {
  const phaseById = new Map<string, Phase>();
  for (const { id, phase } of draft.steps)
    if (id !== undefined && !phaseById.has(id)) phaseById.set(id, phase);
  return ({ path, own, place }, id, unknown) => {
    // an id that is no text was reported as a fault of shape
    if (id === "") return;
    const phase = phaseById.get(id);
    if (phase === undefined) return addFault(path, unknown);
    if (own === undefined) return;
    if (id === own.id) return addFault(path, "a step cannot wait for itself");
    const message = explainPhase(own.phase, phase, place);
    if (message !== undefined) addFault(path, `"${id}" ${message}`);
  };
}

function createExpressionJudge(
  draft: DraftDefinition,
  { expressions }: ReferenceFacts,
  judgeStep: JudgeStep,
): (reference: Reference, addFault: Report, addWarning: Report) => void {
  const idByFirstWord = new Map<string, string>();
  for (const { id = "" } of draft.steps)
    if (id.includes("-")) idByFirstWord.set(id.split("-", 1)[0] ?? id, id);
  return (reference, addFault, addWarning) => {
    const { path, own, place, text } = reference;
    const { stepIds = [], rootNames = [], error } = expressions.get(text) ?? {};
    // an unknown step first: its hint explains what else the expression's parser made of a hyphen
    for (const id of stepIds) {
      judgeStep(reference, id, `reads steps.${id}, which is no step${hyphenHint(id, idByFirstWord)}`);
    }
    if (error !== undefined) addFault(path, error);
    if (!rootNames.includes("item") && !rootNames.includes("itemIndex")) return;
    const hasItems = own?.members.has("forEach") === true;
    if (!hasItems) addWarning(path, "reads an item, which only a step with forEach has");
    else if (place === "when" || place === "forEach") {
      addFault(path, `reads an item, but ${place} is judged before there are any`);
    }
  };
}

/** Why a step of one phase may not name one of another; undefined when it may. */
function explainPhase(own: Phase, other: Phase, place: Reference["place"]): string | undefined {
  if (own === other) return undefined;
  const list = STEP_LISTS.find(({ phase }) => phase === other)?.member;
  if (place === "dependsOn") return `is a step of "${list}": dependsOn names steps of the same list`;
  if (PHASES.indexOf(other) < PHASES.indexOf(own)) return undefined;
  return `is a step of "${list}", which runs after this one`;
}

function explainSecret(place: Reference["place"], name: string, facts: ReferenceFacts): string | undefined {
  if (place === "output") return "a secret can be an input of a step, never an output";
  if (place === "forEach") return "a secret can be an input of a step, never its items";
  return facts.unknownSecrets.has(name) ? `there is no secret "${name}"` : undefined;
}

/** The keys of `concurrency` and `rateLimit` are made when a run starts: there is nothing but its input then. */
function findUnfitRunKeys({ runKeys }: DraftDefinition, { expressions }: ReferenceFacts): FieldFault[] {
  return runKeys.flatMap(({ path, text }) => {
    const { error, rootNames = [] } = expressions.get(text) ?? {};
    if (error !== undefined) return [{ path, message: error }];
    const foreign = rootNames.filter((name) => name !== "input");
    if (foreign.length === 0) return [];
    return [{ path, message: `reads ${foreign.join(" and ")}, but a key is made of the run's input alone` }];
  });
}

function findDuplicateIds(steps: readonly DraftStep[]): FieldFault[] {
  const firstById = new Map<string, string>();
  return steps.flatMap(({ id, path }) => {
    if (id === undefined) return [];
    const first = firstById.get(id);
    if (first === undefined) firstById.set(id, path);
    return first === undefined
      ? []
      : [{ path: `${path}/id`, message: `"${id}" is the id of ${first} already` }];
  });
}

/** `steps.my-step` is read as a subtraction: the commonest slip with ids that have a hyphen. */
function hyphenHint(id: string, idByFirstWord: ReadonlyMap<string, string>): string {
  const meant = idByFirstWord.get(id);
  return meant === undefined ? "" : `; an id with a hyphen stands in backquotes: steps.\`${meant}\``;
}
