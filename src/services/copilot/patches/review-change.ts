import { isJsonObject, type JsonObject, type JsonValue } from "../../../core/json.js";
import { readApprovals } from "./read-approvals.js";
import { listSecretNames } from "../../../executors/mcp-package/placeholders.js";

/** What a document reaches for beyond itself. */
interface Reach {
  readonly secrets: Set<string>;
  readonly hosts: Set<string>;
  readonly components: Set<string>;
  readonly databases: Set<string>;
  readonly packages: Set<string>;
  /** Where HTTP steps call and servers are started, as written. */
  readonly aims: Set<string>;
  readonly switches: Set<string>;
  readonly code: Set<string>;
}

const URL_HOST = /\b[a-z][a-z0-9+.-]*:\/\/(?:[^\s/@"'`\\]*@)?(\[[0-9a-f:.]+\]|[^\s/:?#"'`\\,;)\]}>]+)/gi;

/**
 * Why a change needs a person's eye before it is taken: a secret that was not read before, an address that was not
 * called, a component, database or package that was not used, an approval that falls away, isolation that is opened.
 * Empty: it reaches no further than what it changes. `before` is undefined for something new.
 */
export function reviewChange(before: JsonValue | undefined, after: JsonValue): string[] {
  const old = reachOf(before ?? {});
  const fresh = reachOf(after);
  const added = (name: keyof Reach) => [...fresh[name]].filter((one) => !old[name].has(one));
  return [
    ...added("secrets").map((name) => `reads the secret ${name}`),
    ...added("hosts").map((host) => `sends to the host ${host}`),
    ...added("components").map((uses) => `runs ${uses}`),
    ...added("databases").map((name) => `queries the database ${name}`),
    ...added("packages").map((name) => `installs the package ${name}`),
    ...added("aims").map((aim) => `changes ${aim}`),
    ...added("switches"),
    ...added("code").map((text) => `holds code of ${text.length} characters that was not there`),
    ...reviewApprovals(before ?? {}, after),
  ].map((reason) => reason.slice(0, 300));
}

/** Why fewer have to be asked than before. */
function reviewApprovals(before: JsonValue, after: JsonValue): string[] {
  const fresh = readApprovals(after);
  return [...readApprovals(before)].flatMap(([id, old]) => {
    const now = fresh.get(id);
    if (!now) return [`takes the approval ${id} away`];
    const freed = [...old.guarded].filter(([step, how]) => now.guarded.get(step) !== how);
    return [
      ...(now.text === old.text ? [] : [`changes the approval ${id}`]),
      ...freed.map(([step]) => `takes the step ${step} out from behind the approval ${id}`),
    ];
  });
}

function reachOf(value: JsonValue): Reach {
  const reach: Reach = {
    secrets: new Set(),
    hosts: new Set(),
    components: new Set(),
    databases: new Set(),
    packages: new Set(),
    aims: new Set(),
    switches: new Set(),
    code: new Set(),
  };
  const open: JsonValue[] = [value];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (typeof next === "string") collectText(reach, next);
    else if (Array.isArray(next)) for (const item of next) open.push(item);
    else if (isJsonObject(next)) {
      collectObject(reach, next);
      for (const member of Object.values(next)) open.push(member);
    }
  }
  return reach;
}

function collectText({ hosts, secrets }: Reach, text: string): void {
  for (const [, host = ""] of text.matchAll(URL_HOST)) hosts.add(host.toLowerCase());
  for (const name of listSecretNames(text)) secrets.add(name);
}

function collectObject(reach: Reach, value: JsonObject): void {
  const { uses, id, requirements, network, tool, command, args, code } = value;
  if (typeof uses === "string") collectStep(reach, { uses, id, inputs: value["inputs"] });
  if (Array.isArray(requirements)) for (const one of requirements) reach.packages.add(String(one));
  if (network === true) reach.switches.add("opens the network");
  if (tool === true) reach.switches.add("offers the workflow as a tool at /mcp");
  if (typeof code === "string") reach.code.add(code);
  if (typeof command === "string")
    reach.aims.add(`the command that is started: ${JSON.stringify([command, args ?? []])}`);
}

function collectStep(
  reach: Reach,
  { uses, id, inputs }: { uses: string; id: JsonValue | undefined; inputs: JsonValue | undefined },
): void {
  const name = typeof id === "string" ? id : uses;
  if (!uses.startsWith("builtin:")) reach.components.add(uses);
  if (!isJsonObject(inputs)) return;
  // by step: a secret that moves to another step may leave the house there
  for (const mapping of Object.values(inputs)) {
    if (isJsonObject(mapping) && typeof mapping["secret"] === "string")
      reach.secrets.add(`${mapping["secret"]} in the step ${name}`);
  }
  if (uses === "builtin:sql") {
    const { connection, readOnly } = inputs;
    if (isJsonObject(connection)) reach.databases.add(String(connection["value"] ?? "(not fixed)"));
    if (readOnly !== undefined && !(isJsonObject(readOnly) && readOnly["value"] === true))
      reach.switches.add(`lets the step ${name} write to a database`);
  }
  if (uses === "builtin:http") {
    // an address that is put together may lead anywhere
    const { url, method } = inputs;
    if (isJsonObject(url) && typeof url["value"] !== "string")
      reach.aims.add(`where the step ${name} calls: ${JSON.stringify(url)}`);
    if (isJsonObject(method) && method["value"] !== "GET" && method["value"] !== "HEAD")
      reach.aims.add(`how the step ${name} calls: ${JSON.stringify(method)}`);
  }
}
