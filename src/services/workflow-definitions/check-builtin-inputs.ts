import type { ZodType } from "zod";
import { approvalInputShapes, sqlInputShapes, waitInputShapes } from "../../contracts/builtin-inputs.js";
import { toSchemaFaults } from "../../contracts/schema-faults.js";
import { toPointer } from "../../core/json-pointer.js";
import { isJsonObject, type JsonObject, type JsonValue } from "../../core/json.js";
import type { BuiltinName } from "../../core/plan.js";
import type { FieldFault } from "../../errors/app-error.js";
import { findConstantFaults, httpRequestInputs } from "../../executors/http-request/definition.js";
import type { OutgoingGuard } from "../../outgoing/outgoing-guard.js";
import type { SafeEvaluator } from "../evaluation-types.js";
import { findUnknownNames, type NameLookup } from "../name-lookup.js";
import type { DraftStep } from "./parse-definition.js";
import type { ResolvedTargets } from "./resolve-targets.js";

/** Judges URLs without resolving them. */
export type UrlJudge = Pick<OutgoingGuard, "findUrlFault">;

/** What it takes to judge the inputs of built-in steps. */
export interface BuiltinCheckDeps {
  readonly evaluator: SafeEvaluator;
  readonly outgoing: UrlJudge;
  readonly externalDbs?: NameLookup | undefined;
}

/** What a built-in step takes. */
interface BuiltinInputs {
  readonly names: readonly string[];
  readonly required: readonly string[];
  /** Of these, exactly one. */
  readonly oneOf?: readonly string[];
  /** Of these, the ones that must be constants, and why. */
  readonly fixed?: Readonly<Record<string, string>>;
  /** Why a secret would be shown to others; undefined where it may be an input. */
  readonly secretFault?: string;
  /** Faults of the constants among the inputs; paths begin at the input's name. */
  judge(constants: JsonObject, outgoing: UrlJudge): FieldFault[];
}

/** What each built-in step takes; one that is not here takes anything. */
const INPUTS: Readonly<Partial<Record<BuiltinName, BuiltinInputs>>> = {
  wait: {
    names: Object.keys(waitInputShapes),
    required: [],
    oneOf: ["seconds", "until"],
    secretFault: "is shown to everybody who looks at the run, so it cannot be a secret",
    judge: (constants) => judgeShapes(waitInputShapes, constants),
  },
  approval: {
    names: Object.keys(approvalInputShapes),
    required: [],
    secretFault: "is shown to the approvers, so it cannot be a secret",
    judge: (constants) => judgeShapes(approvalInputShapes, constants),
  },
  http: {
    names: [...httpRequestInputs.required, ...httpRequestInputs.optional],
    required: httpRequestInputs.required,
    judge: findConstantFaults,
  },
  sql: {
    names: Object.keys(sqlInputShapes),
    required: ["connection", "sql"],
    fixed: {
      connection: "must be a constant, { value: NAME }, so that it can be told who uses a database",
      sql: "must be a constant, { value: TEXT }: what comes from elsewhere goes into params",
    },
    secretFault: "is shown with the step's inputs, so it cannot be a secret",
    judge: (constants) => judgeShapes(sqlInputShapes, constants),
  },
};

/** Forms beyond this many are refused: each costs an inspection. */
const MAX_FORMS = 200;

/**
 * Faults of the inputs of built-in steps: unknown and missing ones, and constants that cannot be right. What comes
 * from elsewhere is judged when the step runs.
 */
export async function checkBuiltinInputs(
  { evaluator, outgoing, externalDbs }: BuiltinCheckDeps,
  steps: readonly DraftStep[],
  { targets }: ResolvedTargets,
): Promise<FieldFault[]> {
  const faults: FieldFault[] = [];
  const forms = new Map<string, string[]>();
  const connections = new Map<string, string[]>();
  for (const step of steps) {
    const target = targets.get(step.index)?.target;
    const inputs = target?.kind === "builtin" ? INPUTS[target.name] : undefined;
    if (!inputs) continue;
    const constants = constantsOf(step, inputs);
    faults.push(...findMissing(step, inputs), ...findUnfit(step, inputs));
    faults.push(...inputs.judge(constants, outgoing).map((fault) => placeFault(step, fault)));
    const connection = constants["connection"];
    if (target?.kind === "builtin" && target.name === "sql" && typeof connection === "string") {
      const paths = connections.get(connection) ?? [];
      connections.set(connection, [...paths, `${step.path}/inputs/connection/value`]);
    }
    const form = target?.kind === "builtin" && target.name === "approval" ? constants["form"] : undefined;
    if (!isJsonObject(form)) continue;
    const text = JSON.stringify(form);
    forms.set(text, [...(forms.get(text) ?? []), `${step.path}/inputs/form/value`]);
  }
  return [
    ...faults,
    ...(await checkForms(evaluator, forms)),
    ...(await checkConnections(externalDbs, connections)),
  ];
}

function findMissing(step: DraftStep, { required, oneOf }: BuiltinInputs): FieldFault[] {
  if (!step.isInputsWhole) return [];
  const path = `${step.path}/inputs`;
  const faults = required
    .filter((name) => !Object.hasOwn(step.inputs, name))
    .map((name) => ({ path, message: `"${name}" is required by ${step.uses}` }));
  const chosen = oneOf?.filter((name) => Object.hasOwn(step.inputs, name)).length;
  if (oneOf && chosen !== 1) {
    faults.push({
      path,
      message: `must have exactly one of ${oneOf.map((name) => `"${name}"`).join(" and ")}`,
    });
  }
  return faults;
}

function findUnfit(step: DraftStep, inputs: BuiltinInputs): FieldFault[] {
  const { names, fixed, secretFault } = inputs;
  return Object.entries(step.inputs).flatMap(([name, mapping]): FieldFault[] => {
    const path = `${step.path}/inputs${toPointer([name])}`;
    if (!names.includes(name)) {
      return [{ path, message: `is no input of ${step.uses}, which has ${names.join(", ")}` }];
    }
    const whyFixed = "value" in mapping ? undefined : fixed?.[name];
    if (whyFixed !== undefined) return [{ path, message: whyFixed }];
    const isShown = "secret" in mapping && secretFault !== undefined;
    return isShown ? [{ path: `${path}/secret`, message: secretFault }] : [];
  });
}

/** The constants among the inputs that the step has, by name. */
function constantsOf({ inputs }: DraftStep, { names }: BuiltinInputs): JsonObject {
  return Object.fromEntries(
    Object.entries(inputs).flatMap(([name, mapping]) =>
      names.includes(name) && "value" in mapping ? [[name, mapping.value]] : [],
    ),
  );
}

function judgeShapes(shapes: Readonly<Record<string, ZodType>>, constants: JsonObject): FieldFault[] {
  return Object.entries(constants).flatMap(([name, value]) => {
    const result = shapes[name]?.safeParse(value);
    return result?.success === false ? toSchemaFaults(result.error.issues, [name]) : [];
  });
}

/** A fault of a constant, with its place in the definition: below the mapping's `value`. */
function placeFault(step: DraftStep, { path, message }: FieldFault): FieldFault {
  const [, name = "", rest = ""] = /^\/([^/]*)(.*)$/s.exec(path) ?? [];
  return { path: `${step.path}/inputs/${name}/value${rest}`, message };
}

async function checkConnections(
  externalDbs: NameLookup | undefined,
  connections: ReadonlyMap<string, readonly string[]>,
): Promise<FieldFault[]> {
  const unknown = await findUnknownNames(externalDbs, [...connections.keys()]);
  return [...unknown].flatMap((name) =>
    (connections.get(name) ?? []).map((path) => ({
      path,
      message: `there is no external database "${name}"`,
    })),
  );
}

async function checkForms(
  evaluator: SafeEvaluator,
  forms: ReadonlyMap<string, readonly string[]>,
): Promise<FieldFault[]> {
  const perForm = [...forms].map(async ([text, paths], at): Promise<FieldFault[]> => {
    if (at >= MAX_FORMS) {
      return paths.map((path) => ({
        path,
        message: `is one form too many: at most ${MAX_FORMS} may differ`,
      }));
    }
    const faults = await evaluator.inspectSchema(JSON.parse(text) as JsonValue);
    return paths.flatMap((base) => faults.map(({ path, message }) => ({ path: base + path, message })));
  });
  return (await Promise.all(perForm)).flat();
}
