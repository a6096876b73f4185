import { hostname } from "node:os";
import { z } from "zod";
import { oidcSettings } from "./oidc-settings.js";
import { parseAllowedHost } from "../outgoing/allowed-hosts.js";

const port = z.coerce.number().int().min(0).max(65535);
const positive = z.coerce.number().int().positive();
const limit = z.coerce.number().int().min(0).max(100_000_000);
const list = z.string().transform((value) =>
  value
    .split(",")
    .map((item) => item.trim())
    .filter((item) => item !== ""),
);
const flag = z.enum(["true", "false", "1", "0"]).transform((value) => value === "true" || value === "1");

/**
 * Every setting, from the environment and `.env`; `NAME_FILE` reads the value from a file.
 * `.env.example` lists the same names, and a test compares the two.
 */
export const settingsSchema = z.object({
  PORT: port.default(3000).describe("Port of the API and the console; 0 takes a free one."),
  HOST: z
    .string()
    .min(1)
    .default("127.0.0.1")
    .describe(
      "Address to listen on. Beyond loopback, METRICS_TOKEN, set secrets and an own admin password are demanded.",
    ),
  DATA_DIR: z
    .string()
    .min(1)
    .default(".headrace")
    .describe("Folder for the embedded database, artifacts, generated keys and work folders."),
  DATABASE_URL: z
    .string()
    .regex(/^postgres(ql)?:\/\//, "must be a postgres:// URL")
    .optional()
    .describe("PostgreSQL server; unset: an embedded one under DATA_DIR."),
  DATABASE_POOL_SIZE: positive
    .default(8)
    .describe("Connections per process for queries (the engine has two of its own)."),
  REDIS_URL: z
    .string()
    .regex(/^rediss?:\/\//, "must be a redis:// URL")
    .optional()
    .describe("Redis or Valkey; unset: queues and live events run on PostgreSQL."),
  QUEUE_PREFIX: z
    .string()
    .regex(/^[a-z0-9_]{1,40}$/)
    .default("headrace")
    .describe("Namespace of queues and channels, so that several installations can share a server."),
  JWT_SECRET: z
    .string()
    .min(32, "must have at least 32 characters")
    .optional()
    .describe("Signs access tokens; made under DATA_DIR when unset outside production."),
  ENCRYPTION_KEY: z
    .string()
    .min(32, "must have at least 32 characters")
    .optional()
    .describe("Encrypts secrets at rest; made under DATA_DIR when unset outside production."),
  DECRYPTION_KEYS: list
    .refine((keys) => keys.every((key) => key.length >= 32), "must be keys of at least 32 characters each")
    .default([])
    .describe(
      "Earlier (or coming) encryption keys, comma-separated: what they made is read, nothing new is made with them.",
    ),
  AUDIT_RETENTION_DAYS: positive
    .max(36_500)
    .optional()
    .describe("Age in days at which entries of the audit log go; unset: they are kept for ever."),
  ADMIN_EMAIL: z
    .string()
    .regex(/^[^@\s]+@[^@\s]+$/, "must be an e-mail address")
    .optional()
    .describe("First admin; made at start when there is no user."),
  ADMIN_PASSWORD: z
    .string()
    .min(8, "must have at least 8 characters")
    .optional()
    .describe("Password of the first admin."),
  PRODUCTION: flag.default(false).describe("Demands set secrets and a strong sandbox instead of making do."),
  WORKER_CONCURRENCY: positive.max(1000).default(16).describe("Steps that one worker process runs at once."),
  WORKER_GROUPS: list
    .default(["default"])
    .describe("Worker groups that this worker serves, comma-separated."),
  WORKER_HEALTH_PORT: port
    .optional()
    .describe(
      "Port on HOST where a worker answers /health/live, /health/ready and /metrics; unset: nowhere.",
    ),
  LOG_LEVEL: z.enum(["trace", "debug", "info", "warn", "error", "fatal", "silent"]).default("info"),
  SANDBOX: z
    .enum(["auto", "namespace", "landlock", "process", "none"])
    .default("auto")
    .describe("Isolation of user code; auto takes the strongest that works."),
  WARM_PROCESSES: z.coerce
    .number()
    .int()
    .min(0)
    .max(1000)
    .default(4)
    .describe("Interpreters that a worker keeps ready for scripts; 0 keeps none."),
  MAX_WORKDIR_BYTES: positive
    .default(2 * 1024 ** 3)
    .describe("What a step may keep in its work folder while it runs, in bytes."),
  CORS_ORIGINS: list.default([]).describe("Origins that browsers may call the API from; none when empty."),
  METRICS_TOKEN: z.string().min(1).optional().describe("Bearer token that /metrics demands when set."),
  TRUST_PROXY: z.coerce
    .number()
    .int()
    .min(0)
    .max(10)
    .default(0)
    .describe("Number of proxies whose X-Forwarded-For is believed."),
  RATE_LIMIT_ADDRESS: limit
    .default(100_000)
    .describe("Requests a minute that one address may make, over all processes; 0: any number."),
  RATE_LIMIT_CALLER: limit
    .default(100_000)
    .describe("Requests a minute that one person or API key may make, over all processes; 0: any number."),
  PUBLIC_URL: z
    .url({ protocol: /^https?$/ })
    .optional()
    .describe("Where people reach the console, for links that leave it; unset: taken from each request."),
  ...oidcSettings,
  DRAIN_SECONDS: z.coerce
    .number()
    .int()
    .min(0)
    .max(3600)
    .default(30)
    .describe("How long a stopping worker lets running steps finish."),
  RETENTION_DAYS: positive
    .max(36_500)
    .optional()
    .describe(
      "Age in days at which runs, events and artifacts may go, by whole months; unset: they are kept.",
    ),
  ALLOWED_HOSTS_PRIVATE: list
    .superRefine((entries, context) => {
      for (const entry of entries) {
        if (parseAllowedHost(entry)) continue;
        context.addIssue({ code: "custom", message: `names "${entry}", no host, host:port or network` });
      }
    })
    .default([])
    .describe("Private hosts (host, host:port or 10.0.0.0/8) that outgoing calls may reach."),
  MCP_COMMANDS: list
    .default(["npx", "node", "python3", "uvx"])
    .describe("Commands that Model Context Protocol servers may be started with. Not a security boundary."),
  MCP_PATHS: list
    .default([])
    .describe("Folders that such servers may be started from; the sandbox shows them those that they name."),
  MAX_MCP_MESSAGE_BYTES: positive
    .default(16 * 1024 * 1024)
    .describe("Largest message of a Model Context Protocol server."),
  APPS_URL: z.string().url().optional().describe("Own origin for apps and HTML artifacts."),
  APPS_ADVERTISE: z
    .string()
    .transform((address) => address.replace("{hostname}", hostname()))
    .pipe(z.string().regex(/^http:\/\/(\[[0-9a-f:]+\]|[A-Za-z0-9.-]+):\d{1,5}$/, "must be http://host:port"))
    .optional()
    .describe(
      "Address at which a worker offers its apps to APIs on other machines, in a network that is trusted; {hostname} is this machine's name. Unset: to this machine alone.",
    ),
  MAX_APPS: positive.max(1000).default(32).describe("Apps that one worker runs at once."),
  PYODIDE_URL: z
    .string()
    .url()
    .optional()
    .describe("Folder with pyodide.mjs, for apps that run in the browser; unset: they show how to set it."),
  ARTIFACTS_S3_BUCKET: z
    .string()
    .min(1)
    .optional()
    .describe("Bucket of S3, or of what speaks like it, for artifacts; unset: they lie under DATA_DIR."),
  ARTIFACTS_S3_ENDPOINT: z.string().url().optional().describe("URL of the S3 server; unset: AWS."),
  ARTIFACTS_S3_REGION: z.string().min(1).default("us-east-1").describe("Region of the bucket."),
  ARTIFACTS_S3_PREFIX: z
    .string()
    .regex(/^[A-Za-z0-9._/-]*$/)
    .default("")
    .describe("In front of every key, so that a bucket can be shared."),
  ARTIFACTS_S3_ACCESS_KEY_ID: z
    .string()
    .min(1)
    .optional()
    .describe("Credentials of the bucket; unset: what the AWS SDK finds on this machine."),
  ARTIFACTS_S3_SECRET_ACCESS_KEY: z.string().min(1).optional(),
  ARTIFACTS_S3_PATH_STYLE: flag
    .default(true)
    .describe("Names the bucket in the path of the URL rather than in its host."),
  OPENAI_API_KEY: z
    .string()
    .min(1)
    .optional()
    .describe("Key of the LLM provider `default`, which is there while none is configured."),
  OPENAI_BASE_URL: z
    .url({ protocol: /^https?$/ })
    .optional()
    .describe("Its address; unset: OpenAI's. Its host may be a private one."),
  COPILOT_MODEL: z
    .string()
    .min(1)
    .optional()
    .describe(
      "Model that the copilot asks; unset: the first of its provider. Without a provider it analyses alone.",
    ),
  COPILOT_TIMEOUT_SECONDS: positive
    .max(600)
    .default(90)
    .describe("Longest that the copilot waits for a model."),
  COPILOT_CALLS_PER_MINUTE: positive
    .default(60)
    .describe("Calls of the copilot by one person, in each API process."),
  MAX_BODY_BYTES: positive.default(10 * 1024 * 1024).describe("Largest request body."),
  MAX_OUTPUT_BYTES: positive.default(64 * 1024 * 1024).describe("Largest step output."),
  MAX_LOG_BYTES: positive.default(64 * 1024 * 1024).describe("Most log kept per step."),
  MAX_ARTIFACT_FILES: positive.default(1000).describe("Most files that one step may leave."),
  MAX_ARTIFACT_BYTES: positive
    .default(1024 ** 3)
    .describe("Most bytes of the files that one step may leave."),
  MAX_PREVIEW_BYTES: positive
    .max(16 * 1024 * 1024)
    .default(256 * 1024)
    .describe("What a preview shows of a text, a table or JSON."),
  MAX_ITEMS: positive.default(100_000).describe("Most items of one forEach."),
  MAX_STEPS: positive.default(10_000).describe("Most steps in one definition."),
  PYTHON: z
    .string()
    .min(1)
    .optional()
    .describe("Python interpreter for scripts; unset: /usr/bin/python3, else python3 on PATH."),
});

/** The settings of one process: parsed once, frozen. */
export type Settings = Readonly<z.infer<typeof settingsSchema>>;
