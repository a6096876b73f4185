/** A package to start a server from, as the arguments of `npx` or `uvx` name it. */
export interface PackageRequest {
  readonly registry: "npm" | "pypi";
  readonly name: string;
  /** A version or a range; undefined: the newest. */
  readonly range: string | undefined;
  /** The program of the package; undefined: its only one, or the one of its own name. */
  readonly program: string | undefined;
  /** For the server. */
  readonly args: readonly string[];
}

const NPM_PACKAGE =
  /^((?:@[a-z0-9~][a-z0-9._~-]*\/)?[a-z0-9~][a-z0-9._~-]*)(?:@([A-Za-z0-9.^~<>=*][A-Za-z0-9.^~<>=|*+ -]*))?$/;
const PYPI_PACKAGE = /^([A-Za-z0-9][A-Za-z0-9._-]*(?:\[[A-Za-z0-9,._-]+\])?)(?:(?:==|@)([A-Za-z0-9.!+*]+))?$/;
const PROGRAM = /^[A-Za-z0-9._-]+$/;
const HARMLESS = new Set(["-y", "--yes", "-q", "--quiet", "--"]);

/**
 * Reads `npx [-y] [-p PACKAGE] NAME[@VERSION] [ARGUMENT…]`.
 * @throws RangeError saying which part cannot be understood; packages of a registry alone are taken.
 */
export function parseNpxArgs(args: readonly string[]): PackageRequest {
  return parse("npm", NPM_PACKAGE, ["-p", "--package"], args);
}

/** Reads `uvx [--from PACKAGE] NAME[==VERSION | @VERSION] [ARGUMENT…]`. @throws RangeError as above */
export function parseUvxArgs(args: readonly string[]): PackageRequest {
  return parse("pypi", PYPI_PACKAGE, ["--from"], args);
}

function parse(
  registry: PackageRequest["registry"],
  pattern: RegExp,
  packageOptions: readonly string[],
  args: readonly string[],
): PackageRequest {
  const rest = [...args];
  let named: string | undefined;
  for (let first = rest[0]; first?.startsWith("-"); first = rest[0]) {
    rest.shift();
    const [option = "", value] = first.split(/=(.*)/s);
    if (packageOptions.includes(option)) named = value ?? rest.shift();
    else if (!HARMLESS.has(first)) throw new RangeError(`the option ${first} is not supported`);
  }
  const word = rest.shift();
  const text = named ?? word;
  if (text === undefined || word === undefined) throw new RangeError("no package is named");
  const [, name, range] = pattern.exec(text) ?? [];
  if (name === undefined) throw new RangeError(`"${text.slice(0, 100)}" is no package of a registry`);
  if (named !== undefined && !PROGRAM.test(word))
    throw new RangeError(`"${word}" is no program of a package`);
  const isNewest = range === undefined || range === "latest";
  return {
    registry,
    name,
    range: isNewest ? undefined : range,
    program: named === undefined ? undefined : word,
    args: rest,
  };
}
