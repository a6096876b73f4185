import {
  type Document,
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  type Node,
  type Pair,
  parseDocument,
  visit,
  type YAMLMap,
  type YAMLSeq,
} from "yaml";

/** A place in a text, in characters. */
export interface Place {
  readonly from: number;
  readonly to: number;
}

/** A text as a definition, or why it is none. */
export interface ReadText {
  /** Undefined while the text does not parse. */
  readonly definition: Readonly<Record<string, unknown>> | undefined;
  readonly fault: (Place & { readonly message: string }) | undefined;
}

/** Reads a definition from YAML. */
export function readText(text: string): ReadText {
  const document = parse(text);
  const error = document.errors[0];
  if (error) {
    const [from, to] = error.pos;
    const message = error.message.split("\n")[0] ?? "is not YAML";
    return { definition: undefined, fault: { from, to: Math.max(to, from + 1), message } };
  }
  const value: unknown = document.toJS() ?? {};
  if (isRecord(value)) return { definition: value, fault: undefined };
  return {
    definition: undefined,
    fault: { from: 0, to: text.length, message: "A definition is a mapping: inputs, steps, …" },
  };
}

/**
 * The text with another definition in it. What has not changed stays as it was written – comments, order, quotes –
 * and steps keep their comments when others come, go or are renamed.
 */
export function rewriteText(text: string, definition: Readonly<Record<string, unknown>>): string {
  const document = parse(text);
  if (document.errors.length > 0 || !isMap(document.contents)) {
    document.contents = styled(document, definition) as never;
    document.errors = [];
  } else {
    document.contents = merge(document, document.contents, definition) as never;
  }
  return document.toString({ lineWidth: 0, flowCollectionPadding: true });
}

/** The definition as YAML, for one that has no text yet: in the order in which people read it. */
export function writeText(definition: unknown): string {
  return rewriteText("", inReadingOrder(isRecord(definition) ? definition : {}) as Record<string, unknown>);
}

/** Names in the order of reading; others follow as they come. */
const READING_ORDER = [
  ...["id", "name", "uses", "type", "inputs", "properties", "required", "steps", "onFailure", "finally"],
  ...["dependsOn", "when", "forEach", "maxParallel", "runAfter", "input", "step", "output", "value"],
  ...["outputs", "timeoutSeconds", "concurrency", "rateLimit", "retry", "onError", "cache", "tool"],
];

function inReadingOrder(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(inReadingOrder);
  if (!isRecord(value)) return value;
  const rank = (name: string) => (READING_ORDER.indexOf(name) + 1 || READING_ORDER.length + 1) - 1;
  const entries = Object.entries(value).sort(([one], [other]) => rank(one) - rank(other));
  return Object.fromEntries(entries.map(([name, member]) => [name, inReadingOrder(member)]));
}

/** Where a JSON Pointer of the definition stands in the text; the nearest thing around it when it is not there. */
export function placeOf(text: string, pointer: string): Place {
  const document = parse(text);
  const path = pointer
    .split("/")
    .slice(1)
    .map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"));
  let node: unknown = document.contents;
  let range: readonly number[] = [0, 0];
  for (const part of path) {
    const pair = isMap(node) ? node.items.find(({ key }) => keyOf(key) === part) : undefined;
    const next: unknown = pair?.value ?? (isSeq(node) ? node.items[Number(part)] : undefined);
    const around = isNode(pair?.key) ? pair.key.range : undefined;
    if (next === undefined || next === null) {
      if (around) range = around;
      break;
    }
    node = next;
    if (isNode(next) && next.range) range = isScalar(next) || !around ? next.range : around;
  }
  const from = range[0] ?? 0;
  const lineEnd = text.indexOf("\n", from);
  const to = Math.min(range[1] ?? from, lineEnd === -1 ? text.length : lineEnd);
  return { from, to: Math.max(to, Math.min(from + 1, text.length)) };
}

/** The step that stands at a place of the text, as a pointer: `/steps/2`. */
export function stepPointerAt(text: string, offset: number): string | undefined {
  const { contents } = parse(text);
  if (!isMap(contents)) return undefined;
  for (const list of ["steps", "onFailure", "finally"]) {
    const steps = contents.get(list, true);
    if (!isSeq(steps)) continue;
    const index = steps.items.findIndex(
      (item) => isNode(item) && item.range && item.range[0] <= offset && offset <= item.range[2],
    );
    if (index !== -1) return `/${list}/${index}`;
  }
  return undefined;
}

function parse(text: string): Document.Parsed {
  return parseDocument(text, { prettyErrors: true, uniqueKeys: true });
}

function merge(document: Document, node: unknown, value: unknown): unknown {
  if (isMap(node) && isRecord(value)) return mergeMap(document, node, value);
  if (isSeq(node) && Array.isArray(value)) return mergeSeq(document, node, value);
  if (isAlias(node) || isScalar(node)) {
    const held: unknown = isScalar(node) ? node.value : node.toJS(document);
    if (JSON.stringify(held) === JSON.stringify(value)) return node;
  }
  const fresh = styled(document, value);
  if (isScalar(node) && isScalar(fresh)) {
    const { comment, commentBefore, spaceBefore } = node;
    Object.assign(fresh, { comment, commentBefore, spaceBefore });
  }
  return fresh;
}

function mergeMap(document: Document, map: YAMLMap, value: Readonly<Record<string, unknown>>): YAMLMap {
  const kept = map.items.filter(({ key }) => Object.hasOwn(value, keyOf(key))) as Pair[];
  map.items = kept;
  for (const [name, member] of Object.entries(value)) {
    const pair = kept.find(({ key }) => keyOf(key) === name);
    if (pair) pair.value = merge(document, pair.value, member);
    else {
      if (map.flow && map.items.length === 0) map.flow = false;
      const fresh = document.createPair(name, null);
      fresh.value = styled(document, member);
      map.items.push(fresh as never);
    }
  }
  return map;
}

function mergeSeq(document: Document, seq: YAMLSeq, values: readonly unknown[]): YAMLSeq {
  const items = [...seq.items];
  const ids = items.map((item) => (isMap(item) ? item.get("id") : undefined));
  const wanted = values.map((value) => (isRecord(value) ? value["id"] : undefined));
  const used = new Set<number>();
  const take = (index: number): unknown => {
    if (index < 0 || used.has(index)) return undefined;
    used.add(index);
    return items[index];
  };
  // first what is the same by its id, then what stands at the same place: a step that was renamed
  const found = wanted.map((id) => (id === undefined ? undefined : take(ids.indexOf(id))));
  seq.items = values.map((value, index) => {
    const isFree = ids[index] === undefined || !wanted.includes(ids[index]);
    const node = found[index] ?? (isFree && index < items.length ? take(index) : undefined);
    return node === undefined ? styled(document, value) : merge(document, node, value);
  }) as never[];
  if (items.length === 0 && values.some(isRecord)) seq.flow = false;
  return seq;
}

const MAPPING_KEYS = new Set(["input", "step", "output", "value", "secret", "expression"]);

/** A node for a value; a mapping of an input takes one line. */
function styled(document: Document, value: unknown): Node {
  const node = document.createNode(value) as Node;
  visit(node, {
    Map(_key, map) {
      const isMapping = map.items.every(
        ({ key, value: member }) => MAPPING_KEYS.has(keyOf(key)) && (isScalar(member) || isFlat(member)),
      );
      if (isMapping && map.items.length > 0) map.flow = true;
    },
    Seq(_key, seq) {
      if (seq.items.length > 0 && seq.items.length <= 8 && seq.items.every(isScalar)) seq.flow = true;
    },
  });
  return node;
}

function isFlat(node: unknown): boolean {
  return isSeq(node) && node.items.length <= 8 && node.items.every(isScalar);
}

function keyOf(key: unknown): string {
  return String(isScalar(key) ? key.value : key);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
