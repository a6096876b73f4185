import { BigQuery, type Job } from "@google-cloud/bigquery";
import { OAuth2Client } from "google-auth-library";
import type { JsonObject, JsonValue } from "../../core/json.js";
import { withDeadline } from "../deadline.js";
import { scrubMessage } from "../scrub.js";
import {
  type Connector,
  ConnectorError,
  type ConnectorGround,
  type DbSecrets,
  type QueryRequest,
  type QueryResult,
} from "../types.js";
import type { BigqueryConfig } from "./definition.js";
import { readJobRows, toParameters } from "./bigquery-rows.js";
import { scanBigquery } from "./scan-bigquery.js";

const TEST_SECONDS = 15;
const SCAN_SECONDS = 120;
const UNREADABLE = "The answer is none of BigQuery's";

/** Opens a way to BigQuery; the first use connects. */
export function openBigquery(
  config: BigqueryConfig,
  secrets: DbSecrets,
  _ground: ConnectorGround,
): Connector {
  const client = withCaughtFaults(makeClient(config, secrets));

  async function use<T>(
    limits: { seconds: number; signal: AbortSignal },
    work: (stop: Stopper) => Promise<T>,
  ) {
    const jobs = new Set<Job>();
    const stopping = new AbortController();
    const stop = () => {
      stopping.abort();
      for (const job of jobs) job.cancel().catch(() => undefined);
    };
    try {
      return await withDeadline(
        { ...limits, stop },
        work({ signal: stopping.signal, add: (job) => jobs.add(job) }),
      );
    } catch (error) {
      throw toConnectorError(error, secrets);
    }
  }

  return {
    test: async (signal) =>
      await use({ seconds: TEST_SECONDS, signal }, async (stopper) => {
        const job = await createJob(client, config, { sql: "SELECT 1 AS one", params: [] }, false);
        stopper.add(job);
        await job.getQueryResults({ maxResults: 1, autoPaginate: false });
        return { serverVersion: "BigQuery v2" };
      }),
    query: async (request) =>
      await use({ seconds: request.timeoutSeconds, signal: request.signal }, async (stopper) =>
        runStatement(client, config, request, stopper),
      ),
    scanSchema: async (signal) =>
      await use({ seconds: SCAN_SECONDS, signal }, async () => await scanBigquery(client, config, signal)),
    close: async () => undefined,
  };
}

interface Stopper {
  readonly signal: AbortSignal;
  add(job: Job): void;
}

function makeClient({ projectId, options }: BigqueryConfig, { credentials }: DbSecrets): BigQuery {
  const endpoint = options?.apiEndpoint === undefined ? {} : { apiEndpoint: options.apiEndpoint };
  if (credentials === undefined) {
    const anonymous = new OAuth2Client();
    anonymous.setCredentials({ access_token: "anonymous", expiry_date: Date.now() + 365 * 86_400_000 });
    return new BigQuery({ projectId, ...endpoint, authClient: anonymous as never });
  }
  // two members and no more: the file may name addresses to fetch tokens from
  const { client_email, private_key } = credentials as { client_email: string; private_key: string };
  return new BigQuery({ projectId, ...endpoint, credentials: { client_email, private_key } });
}

type Answered = (error: Error | null, ...answer: unknown[]) => unknown;
type Send = (options: unknown, onAnswer: Answered) => unknown;

/**
 * The library reads answers in callbacks that nobody awaits: one of another shape than it expects would end our
 * process. What they throw becomes the request's error.
 */
function withCaughtFaults(client: BigQuery): BigQuery {
  const own = client as unknown as { request: Send };
  const send = own.request.bind(client);
  own.request = (options, onAnswer) =>
    send(options, (error, ...answer) => {
      const read = async (): Promise<unknown> => await onAnswer(error, ...answer);
      const tell = (thrown: unknown): unknown => onAnswer(new Error(UNREADABLE, { cause: thrown }));
      void read().catch(tell);
    });
  return client;
}

/**
 * Runs one statement. Under `readOnly` BigQuery itself says first, by a dry run, what kind it is: only a SELECT is
 * run, and a script of several is none.
 */
async function runStatement(
  client: BigQuery,
  config: BigqueryConfig,
  request: QueryRequest,
  stopper: Stopper,
): Promise<QueryResult> {
  if (request.readOnly) {
    const { metadata } = await createJob(client, config, request, true);
    const type = readStatementType(metadata as JsonObject);
    if (type !== "SELECT") {
      throw new ConnectorError("statement", `Under readOnly only a SELECT can be run, not ${type ?? "this"}`);
    }
  }
  const job = await createJob(client, config, request, false);
  stopper.add(job);
  return await readJobRows(job, request.maxRows, stopper.signal);
}

async function createJob(
  client: BigQuery,
  { dataset, options }: BigqueryConfig,
  { sql, params }: Pick<QueryRequest, "sql" | "params">,
  dryRun: boolean,
): Promise<Job> {
  const [job] = await client.createQueryJob({
    query: sql,
    useLegacySql: false,
    dryRun,
    ...toParameters(params),
    ...(options?.location === undefined ? {} : { location: options.location }),
    ...(dataset === undefined ? {} : { defaultDataset: { datasetId: dataset } }),
    ...(options?.maximumBytesBilled === undefined
      ? {}
      : { maximumBytesBilled: String(options.maximumBytesBilled) }),
  });
  return job;
}

function readStatementType(metadata: JsonObject): string | undefined {
  const at = (value: JsonValue | undefined, name: string): JsonValue | undefined =>
    typeof value === "object" && value !== null && !Array.isArray(value) ? value[name] : undefined;
  const type = at(at(metadata["statistics"], "query"), "statementType");
  return typeof type === "string" ? type : undefined;
}

function toConnectorError(error: unknown, secrets: DbSecrets): ConnectorError {
  if (error instanceof ConnectorError) return error;
  const { code, message } = error as { code?: unknown; message: string };
  const said = scrubMessage(message, secrets);
  if (code === 400 || code === 404) {
    return new ConnectorError(/parameter/i.test(said) ? "params" : "statement", said, error);
  }
  return new ConnectorError("connection", said, error);
}
