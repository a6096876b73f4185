import { CommanderError } from "commander";
import { SettingsError } from "../config/load-settings.js";
import { AppError } from "../errors/app-error.js";
import { StartupError } from "../lifecycle/startup-error.js";
import { CliError, EXIT, type ExitCode } from "./cli-error.js";
import { createProgram } from "./program.js";

/** Says what went wrong in words, never as a stack, and chooses the exit code. */
function report(error: unknown, isJson: boolean): ExitCode {
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  const isExpected = error instanceof CliError || error instanceof StartupError || error instanceof AppError;
  const exitCode =
    error instanceof CliError ? error.exitCode : error instanceof SettingsError ? EXIT.usage : EXIT.failed;
  const message = inWords(error);
  if (isJson) {
    const details = error instanceof CliError ? error.details : undefined;
    process.stderr.write(`${JSON.stringify({ error: message, details })}\n`);
  } else {
    // a part of Headrace that cannot start leaves the whole story in its log; its last line is shown to a person
    const isLogged = process.argv.includes("--supervised") && !isExpected && error instanceof Error;
    if (isLogged) process.stderr.write(`${error.stack ?? ""}\n`);
    process.stderr.write(`${message}\n`);
  }
  return exitCode;
}

function inWords(error: unknown): string {
  if (error instanceof AppError) {
    const faults = error.faults.map((fault) => `\n  ${fault.path || "(body)"}: ${fault.message}`);
    return `${error.detail}${faults.join("")}`;
  }
  if (!(error instanceof Error)) return String(error);
  // a refused connection's AggregateError has an empty message
  const inner = error instanceof AggregateError ? (error.errors[0] as Error | undefined) : undefined;
  return error.message || inner?.message || error.name;
}

try {
  process.exitCode = await createProgram().run(process.argv);
} catch (error) {
  process.exitCode = report(error, process.argv.includes("--json"));
}
// what still holds the event loop (an idle pool, a keep-alive socket) must not keep a finished command alive
setTimeout(() => process.exit(), 2000).unref();
