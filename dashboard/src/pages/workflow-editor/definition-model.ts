/** A definition as it is being written: any shape, judged by the server. */
export type Definition = Readonly<Record<string, unknown>>;
/** A step of it. */
export type Step = Readonly<Record<string, unknown>>;

/** The lists that steps stand in, in the order in which they run. */
export const STEP_LISTS = ["steps", "onFailure", "finally"] as const;
/** See {@link STEP_LISTS}. */
export type StepList = (typeof STEP_LISTS)[number];

/** A step and where it stands. */
export interface PlacedStep {
  /** Names it in the graph: its id, or its pointer when it has none of its own. */
  readonly key: string;
  readonly id: string;
  readonly list: StepList;
  readonly index: number;
  /** `/steps/2` */
  readonly pointer: string;
  readonly step: Step;
}

/** One step waits for another: `how` says by what. */
export interface StepEdge {
  readonly source: string;
  readonly target: string;
  readonly how: "order" | "data";
  /** The inputs that come along it. */
  readonly inputs: readonly string[];
}

/** Every step, in order. */
export function stepsOf(definition: Definition): PlacedStep[] {
  const seen = new Set<string>();
  return STEP_LISTS.flatMap((list) =>
    asList(definition[list]).map((step, index): PlacedStep => {
      const pointer = `/${list}/${index}`;
      const id = typeof step["id"] === "string" ? step["id"] : "";
      const key = id === "" || seen.has(id) ? pointer : id;
      seen.add(id);
      return { key, id, list, index, pointer, step };
    }),
  );
}

/** What waits for what, within each list: by `dependsOn`, mappings, `forEach` and expressions. */
export function edgesOf(steps: readonly PlacedStep[]): StepEdge[] {
  const edges: StepEdge[] = [];
  for (const { key, list, step } of steps) {
    const inputsBySource = new Map<string, string[]>();
    const note = (id: string, input?: string) => {
      const source = steps.find((other) => other.id === id && other.list === list);
      if (!source || source.key === key) return;
      const inputs = inputsBySource.get(source.key) ?? [];
      inputsBySource.set(source.key, input === undefined ? inputs : [...inputs, input]);
    };
    for (const id of asTexts(step["dependsOn"])) note(id);
    for (const [name, mapping] of Object.entries(asRecord(step["inputs"]))) {
      for (const id of sourcesOf(mapping)) note(id, name);
    }
    for (const id of sourcesOf(step["forEach"])) note(id, "forEach");
    for (const id of idsIn(step["when"])) note(id);
    for (const [source, inputs] of inputsBySource) {
      edges.push({ source, target: key, how: inputs.length > 0 ? "data" : "order", inputs });
    }
  }
  return edges;
}

/** Every step of the list that a step waits for, near and far. */
export function stepsBefore(steps: readonly PlacedStep[], key: string): PlacedStep[] {
  const edges = edgesOf(steps);
  const found = new Set<string>();
  const queue = [key];
  for (let at = queue.pop(); at !== undefined; at = queue.pop()) {
    for (const { source, target } of edges) {
      if (target !== at || found.has(source) || source === key) continue;
      found.add(source);
      queue.push(source);
    }
  }
  return steps.filter((step) => found.has(step.key));
}

/** The definition with some of a step changed; `undefined` takes a field away. */
export function updateStep(definition: Definition, at: PlacedStep, changes: Step): Definition {
  return withList(definition, at.list, (steps) =>
    steps.map((step, index) => (index === at.index ? withoutNone({ ...step, ...changes }) : step)),
  );
}

/** The definition with some of its own fields changed. */
export function updateDefinition(definition: Definition, changes: Definition): Definition {
  return withoutNone({ ...definition, ...changes });
}

/** The definition with a further step. */
export function addStep(definition: Definition, list: StepList, step: Step): Definition {
  return { ...definition, [list]: [...asList(definition[list]), step] };
}

/** An id that no step has: `base`, `base-2`, … */
export function freeId(definition: Definition, base: string): string {
  const taken = new Set(stepsOf(definition).map(({ id }) => id));
  const clean =
    base
      .toLowerCase()
      .replace(/[^a-z0-9_-]+/g, "-")
      .replace(/^[^a-z]+/, "")
      .slice(0, 56) || "step";
  if (!taken.has(clean)) return clean;
  let number = 2;
  while (taken.has(`${clean}-${number}`)) number += 1;
  return `${clean}-${number}`;
}

/** The definition without steps; what referred to them refers to them no longer. */
export function removeSteps(definition: Definition, keys: ReadonlySet<string>): Definition {
  const steps = stepsOf(definition);
  const gone = new Set(steps.filter(({ key }) => keys.has(key)).map(({ id }) => id));
  const kept = Object.fromEntries(
    STEP_LISTS.flatMap((list) => {
      if (definition[list] === undefined) return [];
      const left = steps.filter((step) => step.list === list && !keys.has(step.key));
      return [[list, left.map(({ step }) => [...gone].reduce(cutReference, step))]];
    }),
  );
  const next: Definition = { ...definition, ...kept };
  const emptied = Object.fromEntries(
    (["onFailure", "finally"] as const)
      .filter((list) => Array.isArray(next[list]) && next[list].length === 0)
      .map((list) => [list, undefined]),
  );
  return withoutNone({ ...next, ...emptied });
}

/** The definition in which `target` no longer waits for `source`. */
export function disconnect(definition: Definition, source: PlacedStep, target: PlacedStep): Definition {
  const { dependsOn, inputs, forEach } = cutReference(target.step, source.id);
  return updateStep(definition, target, { dependsOn, inputs, forEach });
}

/** The definition in which `target` waits for `source`: as an order, or for an input of it. */
export function connect(
  definition: Definition,
  source: PlacedStep,
  target: PlacedStep,
  mapping?: { readonly input: string; readonly output: string },
): Definition {
  if (mapping) {
    const inputs = {
      ...asRecord(target.step["inputs"]),
      [mapping.input]: { step: source.id, output: mapping.output },
    };
    return updateStep(definition, target, { inputs });
  }
  const dependsOn = [...new Set([...asTexts(target.step["dependsOn"]), source.id])];
  return updateStep(definition, target, { dependsOn });
}

/** The definition with a step called otherwise, and everything that refers to it. */
export function renameStep(definition: Definition, at: PlacedStep, id: string): Definition {
  const before = at.id;
  const rename = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(rename);
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(
      Object.entries(value).map(([name, member]) => {
        if (name === "step" && member === before) return [name, id];
        if ((name === "expression" || name === "when" || name === "key") && typeof member === "string")
          return [name, renameIn(member, before, id)];
        if (name === "dependsOn") return [name, asTexts(member).map((each) => (each === before ? id : each))];
        // constants are nobody's reference
        return [name, name === "value" ? member : rename(member)];
      }),
    );
  };
  const { inputs, ...rest } = definition;
  const renamed = before === "" ? rest : (rename(rest) as Definition);
  const whole = inputs === undefined ? renamed : { ...renamed, inputs };
  const ordered = Object.fromEntries(Object.keys(definition).map((name) => [name, whole[name]]));
  return updateStep(ordered, at, { id });
}

/** Whether a new edge would close a circle. */
export function wouldCircle(steps: readonly PlacedStep[], source: string, target: string): boolean {
  return source === target || stepsBefore(steps, source).some(({ key }) => key === target);
}

function renameIn(expression: string, before: string, after: string): string {
  const name = /^[A-Za-z_]\w*$/.test(after) ? after : `\`${after}\``;
  const escaped = before.replace(/[-]/g, "\\-");
  return expression.replace(
    new RegExp(`(\\bsteps\\.)(?:\`${escaped}\`|${escaped}(?![\\w-]))`, "g"),
    `$1${name}`,
  );
}

function cutReference(step: Step, id: string): Step {
  const dependsOn = asTexts(step["dependsOn"]).filter((each) => each !== id);
  const inputs = Object.fromEntries(
    Object.entries(asRecord(step["inputs"])).filter(([, mapping]) => asRecord(mapping)["step"] !== id),
  );
  const forEach = asRecord(step["forEach"])["step"] === id ? undefined : step["forEach"];
  return withoutNone({
    ...step,
    ...("dependsOn" in step ? { dependsOn: dependsOn.length > 0 ? dependsOn : undefined } : {}),
    ...("inputs" in step ? { inputs: Object.keys(inputs).length > 0 ? inputs : undefined } : {}),
    forEach,
  });
}

function sourcesOf(mapping: unknown): string[] {
  const { step, expression } = asRecord(mapping);
  return [...(typeof step === "string" ? [step] : []), ...idsIn(expression)];
}

function idsIn(expression: unknown): string[] {
  if (typeof expression !== "string") return [];
  const found = expression.matchAll(/\bsteps\.(?:`([^`]+)`|([A-Za-z_]\w*))/g);
  return [...found].map(([, quoted, plain]) => quoted ?? plain ?? "");
}

function withList(
  definition: Definition,
  list: StepList,
  change: (steps: readonly Step[]) => readonly Step[],
): Definition {
  return { ...definition, [list]: change(asList(definition[list])) };
}

function withoutNone<Value extends Definition>(value: Value): Definition {
  return Object.fromEntries(Object.entries(value).filter(([, member]) => member !== undefined));
}

/** A list of objects, whatever stands there. */
function asList(value: unknown): readonly Step[] {
  return Array.isArray(value) ? value.map(asRecord) : [];
}

/** A list of texts, whatever stands there. */
export function asTexts(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((each): each is string => typeof each === "string") : [];
}

/** An object, whatever stands there. */
export function asRecord(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : {};
}
