import type { PatchOperation } from "../../../../src/contracts/api/copilot.js";

/**
 * A value with a JSON Patch applied; the value itself stays as it is.
 * @throws Error when an operation does not fit the value
 */
export function applyPatch(value: unknown, patch: readonly PatchOperation[]): unknown {
  let root = structuredClone(value);
  for (const operation of patch) root = applyOne(root, operation);
  return root;
}

function applyOne(root: unknown, operation: PatchOperation): unknown {
  const path = parse(operation.path);
  switch (operation.op) {
    case "add":
      return put(root, path, structuredClone(operation.value), true);
    case "replace":
      read(root, path);
      return put(root, path, structuredClone(operation.value), false);
    case "remove":
      return remove(root, path);
    case "copy":
      return put(root, path, structuredClone(read(root, parse(operation.from ?? ""))), true);
    case "move": {
      const from = parse(operation.from ?? "");
      const moved = read(root, from);
      return put(remove(root, from), path, moved, true);
    }
    case "test":
      if (JSON.stringify(read(root, path)) !== JSON.stringify(operation.value))
        throw new Error(`${operation.path} is no longer what the suggestion was made for`);
      return root;
  }
}

function parse(pointer: string): string[] {
  if (pointer === "") return [];
  return pointer
    .split("/")
    .slice(1)
    .map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"));
}

function read(root: unknown, path: readonly string[]): unknown {
  let value = root;
  for (const part of path) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, part))
      throw new Error(`there is nothing at /${path.join("/")}`);
    value = (value as Record<string, unknown>)[part];
  }
  return value;
}

function put(root: unknown, path: readonly string[], value: unknown, isAdding: boolean): unknown {
  if (path.length === 0) return value;
  const parent = read(root, path.slice(0, -1));
  const last = path.at(-1) ?? "";
  if (Array.isArray(parent)) {
    const index = last === "-" ? parent.length : Number(last);
    if (!Number.isInteger(index) || index < 0 || index > parent.length)
      throw new Error(`there is no place /${path.join("/")}`);
    parent.splice(index, isAdding ? 0 : 1, value);
  } else if (typeof parent === "object" && parent !== null) {
    // defined, not assigned: a member may be called __proto__
    Object.defineProperty(parent, last, { value, enumerable: true, writable: true, configurable: true });
  } else throw new Error(`there is no place /${path.join("/")}`);
  return root;
}

function remove(root: unknown, path: readonly string[]): unknown {
  if (path.length === 0) return undefined;
  read(root, path);
  const parent = read(root, path.slice(0, -1));
  const last = path.at(-1) ?? "";
  if (Array.isArray(parent)) parent.splice(Number(last), 1);
  else delete (parent as Record<string, unknown>)[last];
  return root;
}
