// The importable `headrace` module of TypeScript scripts; the harness supplies what it hands on.
const host = globalThis[Symbol.for("headrace.host")];

/** Reports progress: a finite number, and a text for people. */
export const progress = host.progress;
/** An external database that the version names in externalDbConfigs: query(), execute(), and a dsn for drivers. */
export const connection = host.connection;
/** The inputs of this step. */
export const inputs = host.inputs;
/** Files written here are kept as artifacts of the step. */
export const artifactsDir = host.artifactsDir;
