import type { RunErrorCode } from "../../../../src/core/statuses.js";

const WORDS: Readonly<Record<RunErrorCode, string>> = {
  script_error: "The code ended with an error",
  timeout: "It took too long",
  out_of_memory: "It needed more memory than it may have",
  canceled: "It was canceled",
  worker_lost: "Its worker died",
  invalid_output: "Its output does not fit the schema",
  invalid_input: "Its input does not fit the schema",
  dependency_failed: "A step that it waits for failed",
  upstream_error: "Another system answered with an error",
  rejected: "Somebody rejected it",
  internal: "Headrace itself failed",
};

/** An error's code in words. */
export function describeErrorCode(code: RunErrorCode): string {
  return WORDS[code];
}
