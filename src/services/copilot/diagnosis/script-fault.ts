import { isJsonObject } from "../../../core/json.js";
import { nearestName } from "../json-types.js";
import { type DiagnosisRule, evidenceOf, type Failure, textOf } from "./failure.js";

const EXCEPTION = /^(?:\w+\.)*([A-Z]\w*(?:Error|Exception|Warning|Exit|Interrupt))(?:: (.*))?$/m;
const PLACE = /File "([^"]+)", line (\d+)/g;

/** The code of the component threw. */
export const scriptFault: DiagnosisRule = {
  kind: "script-error",
  explain(failure) {
    const { error, step } = failure;
    if (error.code !== "script_error") return [];
    const text = textOf(failure);
    const [line = error.message, name = "", message = ""] =
      EXCEPTION.exec(text) ?? EXCEPTION.exec(error.message) ?? [];
    const [, file, at] = [...text.matchAll(PLACE)].at(-1) ?? [];
    const where = at === undefined ? "" : ` at line ${at} of ${file?.split("/").at(-1)}`;
    return [
      {
        kind: scriptFault.kind,
        title: `${step.id} failed${where}: ${line}`.slice(0, 200),
        detail: [explain(failure, name, message), steadiness(failure)]
          .filter((part) => part !== "")
          .join(" "),
        severity: "error",
        evidence: evidenceOf(failure, [line, ...failure.logs.slice(-4)]),
      },
    ];
  },
};

function explain({ inputs, component }: Failure, name: string, message: string): string {
  const key = /^['"]?([\w-]+)['"]?$/.exec(message)?.[1];
  if (name === "KeyError" && key !== undefined) {
    const known = isJsonObject(inputs) ? Object.keys(inputs) : [];
    const near = nearestName(key, known);
    const hint = near === undefined ? "" : ` Was ${near} meant?`;
    return `There is no "${key}" in what it reads. The step's inputs are ${known.join(", ") || "none"}.${hint}`;
  }
  const [, undefinedName] = /name '(\w+)' is not defined/.exec(message) ?? [];
  if (undefinedName !== undefined) return `The code uses ${undefinedName} without defining or importing it.`;
  if (/JSONDecodeError/.test(name))
    return "It tried to read as JSON what is none: an error page or nothing, most often.";
  if (name === "SyntaxError" || name === "IndentationError")
    return `The code of ${component?.name ?? "the component"} cannot be parsed: no input makes it run.`;
  if (name === "PermissionError") return "Steps write into their own folder and artifacts/ alone.";
  return `Its code threw ${name || "an error"}${message ? `: ${message.slice(0, 500)}` : ""}.`;
}

/** Whether it always fails, or only now and then. */
function steadiness({ history }: Failure): string {
  if (!history || history.executions < 2) return "";
  if (history.succeeded === 0) return `None of ${history.executions} executions succeeded with this version.`;
  return `${history.failed} of ${history.executions} executions failed with this version, so it depends on the input or on what it calls.`;
}
