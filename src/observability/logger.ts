import { type DestinationStream, type Logger, pino } from "pino";

export type { Logger } from "pino";

/** Fields that never reach a log line, wherever they stand in an object. */
const REDACTED = [
  "password",
  "*.password",
  "authorization",
  "*.authorization",
  "*.accessToken",
  "*.refreshToken",
  "*.key",
  "*.value",
];

/** A JSON logger for one process. Child loggers carry ids as fields; messages stay short and fixed. */
export function createLogger(options: {
  level: string;
  name: string;
  destination?: DestinationStream;
}): Logger {
  return pino(
    {
      name: options.name,
      level: options.level,
      redact: { paths: REDACTED, censor: "[redacted]" },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    options.destination ?? pino.destination({ dest: 1, sync: true }),
  );
}
