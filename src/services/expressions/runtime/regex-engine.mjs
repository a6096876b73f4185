import { RE2JS } from "re2js";

/**
 * Regular expressions in linear time, whatever the pattern: user patterns never reach V8's backtracking engine.
 * Look-arounds and backreferences are refused.
 */

/** Compiles an ECMAScript pattern; flags `i`, `m` and `s` are honoured. Throws an Error that a user can read. */
export function compilePattern(source, flags = "") {
  let bits = 0;
  if (flags.includes("i")) bits |= RE2JS.CASE_INSENSITIVE;
  if (flags.includes("m")) bits |= RE2JS.MULTILINE;
  if (flags.includes("s")) bits |= RE2JS.DOTALL;
  try {
    return RE2JS.compile(RE2JS.translateRegExp(source), bits);
  } catch (error) {
    throw new Error(`regular expression /${source.slice(0, 100)}/ cannot be used: ${error.message}`, {
      cause: error,
    });
  }
}

/** JSONata's `RegexEngine`: made from a RegExp, it must behave like one whose `g` flag is set. */
export class LinearRegExp {
  #pattern;

  constructor(regex) {
    this.#pattern = compilePattern(regex.source, regex.flags);
    this.source = regex.source;
    this.lastIndex = 0;
  }

  exec(text) {
    const matcher = this.#pattern.matcher(text);
    if (this.lastIndex > text.length || !matcher.find(this.lastIndex)) {
      this.lastIndex = 0;
      return null;
    }
    const match = [matcher.group(0)];
    for (let group = 1; group <= matcher.groupCount(); group += 1)
      match.push(matcher.group(group) ?? undefined);
    match.index = matcher.start(0);
    match.input = text;
    this.lastIndex = matcher.end(0);
    return match;
  }

  test(text) {
    return this.exec(text) !== null;
  }
}

/** Ajv's `code.regExp`: `pattern` and `patternProperties` of user schemas. */
export function ajvRegExp(pattern) {
  const compiled = compilePattern(pattern);
  return { test: (text) => compiled.test(text) };
}
// Ajv asks for the code of the engine, for standalone validators that we never write
ajvRegExp.code = "linearRegExp";
