import { Command, InvalidArgumentError } from "commander";
import { EXIT, type ExitCode } from "./cli-error.js";
import { loadClientSettings } from "../config/client-settings.js";
import { createOutput, type Output } from "./output.js";
import { VERSION } from "../version.js";

/** What every command's work is given. */
export interface CommandContext {
  readonly output: Output;
}

type Work = (context: CommandContext) => Promise<ExitCode>;

/**
 * The `headrace` program. Commands are loaded on first use, so that `headrace runs` does not pay for the server.
 * `run` answers the exit code and throws what the command throws.
 */
export function createProgram(): { run(argv: readonly string[]): Promise<ExitCode> } {
  let exitCode: ExitCode = EXIT.ok;
  const program = new Command("headrace")
    .description("Register versioned components, compose them into workflows, run them.")
    .option("--json", "print results as JSON, and nothing else on stdout")
    .version(VERSION)
    .exitOverride()
    .showHelpAfterError("(headrace --help lists the commands)");
  const act = (command: Command, work: Work): void => {
    const options = command.optsWithGlobals<{ json?: boolean }>();
    pending = { isJson: options.json === true, work };
  };
  let pending: { isJson: boolean; work: Work } | undefined;
  addServerCommands(program, act);
  addRunCommands(program, act);
  addDefinitionCommands(program, act);
  addUserCommands(program, act);
  addSecretCommands(program, act);
  addDoctor(program, act);
  return {
    async run(argv) {
      await program.parseAsync(argv as string[]);
      if (pending) {
        const noColour = loadClientSettings().NO_COLOR !== undefined;
        exitCode = await pending.work({ output: createOutput({ isJson: pending.isJson, noColour }) });
      }
      return exitCode;
    },
  };
}

type Act = (command: Command, work: Work) => void;

function addServerCommands(program: Command, act: Act): void {
  program
    .command("up")
    .description("all on this machine: database, migrations, API, console, one worker, scheduler")
    .option("--run <example>", "run an example folder's workflow to its end, then stop")
    .option("--no-examples", "do not register the examples")
    .action((options: { run?: string; examples: boolean }, command: Command) =>
      act(command, async (context) => (await import("./commands/up.js")).runUp(options, context)),
    );
  for (const role of ["api", "scheduler"] as const) {
    program
      .command(role)
      .description(role === "api" ? "the HTTP API and the console" : "schedules, timers and housekeeping")
      .option("--supervised", "report to and end with the parent process")
      .action((options: { supervised?: boolean }, command: Command) =>
        act(command, async () => (await import("./commands/serve.js")).serve(role, options)),
      );
  }
  program
    .command("worker")
    .description("runs steps")
    .option("--groups <names>", "worker groups to serve, comma-separated (WORKER_GROUPS)")
    .option("--concurrency <count>", "steps to run at once (WORKER_CONCURRENCY)", toPositiveInteger)
    .option("--supervised", "report to and end with the parent process")
    .action((options: { groups?: string; concurrency?: number; supervised?: boolean }, command: Command) =>
      act(command, async () => (await import("./commands/serve.js")).serve("worker", options)),
    );
  program
    .command("migrate")
    .description("bring the database's schema up to date, and make the first admin")
    .action((_: object, command: Command) =>
      act(command, async (context) => (await import("./commands/migrate.js")).runMigrate(context)),
    );
}

function addRunCommands(program: Command, act: Act): void {
  program
    .command("run")
    .description("start a workflow")
    .argument("<workflow>", "name or id")
    .option("--input <json>", "the run's input: JSON, or @file")
    .option("--run-version <number>", "a version other than the published one", toPositiveInteger)
    .option("--label <key:value...>", "labels")
    .option("--priority <number>", "higher goes first", toInteger)
    .option("--follow", "show the run while it works, and exit 1 if it does not succeed")
    .option("--wait", "wait for the end without showing it, and exit 1 if it does not succeed")
    .option("--save <folder>", "wait for the end, and copy the run's artifacts into a folder")
    .action((workflow: string, options: object, command: Command) =>
      act(command, async (context) =>
        (await import("./commands/runs.js")).startRun(workflow, options, context),
      ),
    );
  program
    .command("runs")
    .description("list runs, newest first")
    .option("--status <status>", "only those with this status")
    .option("--workflow <name>", "only those of this workflow")
    .option("--label <key:value...>", "only those with these labels")
    .option("--limit <count>", "how many", toPositiveInteger, 20)
    .action((options: { limit: number }, command: Command) =>
      act(command, async (context) => (await import("./commands/runs.js")).listRuns(options, context)),
    );
  program
    .command("logs")
    .description("print a run's log")
    .argument("<run>", "run id")
    .option("--step <id>", "only this step's")
    .option("--follow", "go on until the run ends")
    .action((run: string, options: { step?: string; follow?: boolean }, command: Command) =>
      act(command, async (context) => (await import("./commands/runs.js")).printLogs(run, options, context)),
    );
  program
    .command("diagnose")
    .description("why a run failed, and what mends it; nothing is changed")
    .argument("<run>", "run id")
    .option("--no-model", "by analysis alone, whatever model is configured")
    .action((run: string, options: { model: boolean }, command: Command) =>
      act(command, async (context) =>
        (await import("./commands/diagnose.js")).diagnoseRun(run, options, context),
      ),
    );
  program
    .command("cancel")
    .description("cancel a run")
    .argument("<run>", "run id")
    .action((run: string, _: object, command: Command) =>
      act(command, async (context) => (await import("./commands/runs.js")).cancelRun(run, context)),
    );
}

function addDefinitionCommands(program: Command, act: Act): void {
  program
    .command("apply")
    .description("register MCPs and workflows from YAML; what has not changed stays as it is")
    .requiredOption("-f, --file <path>", "YAML file, or folder of them")
    .action((options: { file: string }, command: Command) =>
      act(command, async (context) => (await import("./commands/apply.js")).runApply(options.file, context)),
    );
  program
    .command("validate")
    .description("check MCPs and workflows without registering them")
    .requiredOption("-f, --file <path>", "YAML file, or folder of them")
    .action((options: { file: string }, command: Command) =>
      act(command, async (context) =>
        (await import("./commands/validate.js")).runValidate(options.file, context),
      ),
    );
  program
    .command("export")
    .description("print MCPs and workflows as YAML that apply understands")
    .argument("[workflow]", "only this workflow and the MCPs that it uses")
    .option("-o, --out <file>", "write to a file instead of stdout")
    .action((workflow: string | undefined, options: { out?: string }, command: Command) =>
      act(command, async (context) =>
        (await import("./commands/export.js")).runExport(workflow, options, context),
      ),
    );
}

function addUserCommands(program: Command, act: Act): void {
  const users = program.command("users").description("people, directly on the database");
  users
    .command("list")
    .action((_: object, command: Command) =>
      act(command, async (context) => (await import("./commands/users.js")).listUsers(context)),
    );
  users
    .command("create")
    .argument("<email>")
    .option("--name <name>", "shown name")
    .option("--role <role>", "viewer, operator, editor or admin", "viewer")
    .option(
      "--password-file <path>",
      "file with the password; - is stdin; without it, one is made and printed",
    )
    .action((email: string, options: { role: string }, command: Command) =>
      act(command, async (context) =>
        (await import("./commands/users.js")).createUser(email, options, context),
      ),
    );
  users
    .command("set-password")
    .argument("<email>")
    .option(
      "--password-file <path>",
      "file with the password; - is stdin; without it, one is made and printed",
    )
    .action((email: string, options: object, command: Command) =>
      act(command, async (context) =>
        (await import("./commands/users.js")).setPassword(email, options, context),
      ),
    );
  users
    .command("deactivate")
    .argument("<email>")
    .action((email: string, _: object, command: Command) =>
      act(command, async (context) => (await import("./commands/users.js")).deactivateUser(email, context)),
    );
  users
    .command("activate")
    .argument("<email>")
    .action((email: string, _: object, command: Command) =>
      act(command, async (context) => (await import("./commands/users.js")).activateUser(email, context)),
    );
  users
    .command("set-role")
    .argument("<email>")
    .argument("<role>", "viewer, operator, editor or admin")
    .action((email: string, role: string, _: object, command: Command) =>
      act(command, async (context) => (await import("./commands/users.js")).setRole(email, role, context)),
    );
}

function addSecretCommands(program: Command, act: Act): void {
  const secrets = program
    .command("secrets")
    .description("what is encrypted at rest, directly on the database");
  secrets
    .command("keys")
    .description("which encryption keys are in use; exit 1 when one is not at hand")
    .action((_: object, command: Command) =>
      act(command, async (context) => (await import("./commands/secrets.js")).listKeys(context)),
    );
  secrets
    .command("rotate")
    .description("encrypt everything anew with the present ENCRYPTION_KEY; safe while Headrace runs")
    .option("--new-key", "make a new key first, where keys.json under DATA_DIR holds it")
    .option("--forget-old", "remove the earlier keys from keys.json, once every process was restarted")
    .action((options: { newKey?: boolean; forgetOld?: boolean }, command: Command) =>
      act(command, async (context) =>
        (await import("./commands/secrets.js")).rotateSecrets(options, context),
      ),
    );
}

function addDoctor(program: Command, act: Act): void {
  program
    .command("doctor")
    .description("check this machine, and how to mend what is missing")
    .action((_: object, command: Command) =>
      act(command, async (context) => (await import("./commands/doctor.js")).runDoctor(context)),
    );
}

function toPositiveInteger(value: string): number {
  const number = Number(value);
  if (!Number.isInteger(number) || number < 1)
    throw new InvalidArgumentError("It must be a positive integer.");
  return number;
}

function toInteger(value: string): number {
  const number = Number(value);
  if (!Number.isInteger(number)) throw new InvalidArgumentError("It must be an integer.");
  return number;
}
