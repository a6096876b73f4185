import { z } from "zod";
import type { FieldFault } from "../../errors/app-error.js";
import type { OutgoingGuard } from "../../outgoing/outgoing-guard.js";
import type { ConnectorDefinition, DbSecrets } from "../types.js";
import { openBigquery } from "./bigquery-connector.js";

const optionsSchema = z.strictObject({
  location: z
    .string()
    .regex(/^[A-Za-z0-9-]{1,64}$/, "must be the name of a location, like EU")
    .optional(),
  maximumBytesBilled: z.int().min(1).optional(),
  apiEndpoint: z
    .string()
    .max(500)
    .optional()
    .meta({ description: "Another of Google's, or of an emulator that ALLOWED_HOSTS_PRIVATE names." }),
});

const configSchema = z.strictObject({
  projectId: z.string().regex(/^[a-z][a-z0-9:.-]{2,98}[a-z0-9]$/, "must be the id of a project"),
  dataset: z
    .string()
    .regex(/^\w{1,1024}$/, "must be the name of a dataset")
    .optional(),
  options: optionsSchema.optional(),
});
export type BigqueryConfig = z.infer<typeof configSchema>;

/** BigQuery as an external database. */
export const bigqueryDefinition: ConnectorDefinition<BigqueryConfig> = {
  dbType: "bigquery",
  label: "BigQuery",
  configSchema,
  secretNames: ["credentials"],
  targetNames: ["options"],
  findFaults({ options }, secrets, { guard }) {
    const endpoint = options?.apiEndpoint;
    return [...findEndpointFaults(endpoint, guard), ...findCredentialFaults(secrets, endpoint !== undefined)];
  },
  open: openBigquery,
};

/** The global, regional and private ones. */
const GOOGLE_ENDPOINT =
  /^(?:[a-z0-9-]+-)?bigquery(?:-[a-z0-9-]+)?(?:\.p|\.[a-z0-9-]+\.rep)?\.googleapis\.com$/;

function findEndpointFaults(endpoint: string | undefined, guard: OutgoingGuard): FieldFault[] {
  if (endpoint === undefined) return [];
  const path = "/options/apiEndpoint";
  const fault = guard.findUrlFault(endpoint, ["https:", "http:"]);
  if (fault !== undefined) return [{ path, message: fault }];
  const { protocol, hostname } = new URL(endpoint);
  // the client library resolves names and follows redirects by itself: whoever answers must be trusted not to lead elsewhere
  const isGoogle = protocol === "https:" && GOOGLE_ENDPOINT.test(hostname);
  if (isGoogle || guard.isAllowedPrivate(endpoint)) return [];
  return [{ path, message: "must be one of Google's, or a host that ALLOWED_HOSTS_PRIVATE names" }];
}

/** Other kinds of credentials name files, programs and addresses that the library would read, start and call. */
function findCredentialFaults({ credentials }: DbSecrets, isEmulator: boolean): FieldFault[] {
  if (credentials === undefined) {
    return isEmulator ? [] : [{ path: "/credentials", message: "is required: the key of a service account" }];
  }
  if (credentials["type"] !== "service_account") {
    return [{ path: "/credentials/type", message: 'must be "service_account"' }];
  }
  return ["client_email", "private_key"]
    .filter((name) => typeof credentials[name] !== "string")
    .map((name) => ({ path: `/credentials/${name}`, message: "must be text" }));
}
