import type { PatchOperation } from "../../../contracts/api/copilot.js";
import { packageOf } from "../config-advice/python-modules.js";
import { type DiagnosisRule, evidenceOf, textOf } from "./failure.js";

const PYTHON = /(?:ModuleNotFoundError|ImportError): No module named '?([A-Za-z_][\w.]*)'?/;
const NODE = /Cannot find (?:package|module) '((?:@[\w.-]+\/)?[\w.-]+)(?:\/[^']*)?'/;

/** Code imports what was not installed. */
export const missingModule: DiagnosisRule = {
  kind: "missing-module",
  explain(failure) {
    const { component, targets } = failure;
    const text = textOf(failure);
    const [pythonLine, module] = PYTHON.exec(text) ?? [];
    const [nodeLine, npmName] = NODE.exec(text) ?? [];
    const name = module === undefined ? npmName : packageOf(module);
    if (name === undefined || !component) return [];
    const isTakingRequirements = ["python_script", "typescript_script", "streamlit_app"].includes(
      component.mcpType,
    );
    const requirements = component.config["requirements"];
    const patch: PatchOperation[] = [
      Array.isArray(requirements)
        ? { op: "add", path: "/requirements/-", value: name }
        : { op: "add", path: "/requirements", value: [name] },
    ];
    return [
      {
        kind: missingModule.kind,
        title: `The package ${name} is not installed`,
        detail:
          `${component.name} ${component.version} imports ${module ?? npmName}, which its requirements do not bring. ` +
          "Make a new version with the requirement, and let the step use it. See that it is the package you mean, and name a version.",
        severity: "error",
        ...(isTakingRequirements && targets.config ? { patch, target: targets.config } : {}),
        evidence: evidenceOf(failure, [pythonLine ?? nodeLine ?? ""]),
      },
    ];
  },
};
