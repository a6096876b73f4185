// A real OpenID Connect provider (npm oidc-provider) on loopback, as a process of its own. Whoever comes is signed in at
// once as the person that POST /control names. Prints its issuer when it listens.
import { createServer } from "node:http";
import { Provider } from "oidc-provider";

const [, , port, redirectUri] = process.argv;
const issuer = `http://127.0.0.1:${port}`;
/** The claims of people by subject, who is signing in, and how long a code is good for. */
const world = { people: {}, subject: "", codeSeconds: 60 };

const provider = new Provider(issuer, {
  clients: [
    {
      client_id: "headrace",
      client_secret: "a secret of the client",
      redirect_uris: [redirectUri],
      grant_types: ["authorization_code"],
      response_types: ["code"],
    },
  ],
  scopes: ["openid", "email", "profile", "groups"],
  claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["name"], groups: ["groups"] },
  pkce: { required: () => true },
  ttl: {
    AuthorizationCode: () => world.codeSeconds,
    Interaction: 600,
    Session: 600,
    Grant: 600,
    AccessToken: 600,
    IdToken: 600,
  },
  features: { devInteractions: { enabled: false } },
  cookies: { keys: ["for tests"] },
  interactions: { url: (_context, interaction) => `/interaction/${interaction.uid}` },
  findAccount: (_context, subject) => ({
    accountId: subject,
    claims: () => ({ sub: subject, ...world.people[subject] }),
  }),
});
// the library keeps a session of its own between tests: each sign-in asks anew
provider.on("server_error", (_context, error) => console.error(error));

const answer = provider.callback();
createServer(async (request, response) => {
  if (request.url === "/control") {
    let text = "";
    for await (const chunk of request) text += chunk;
    Object.assign(world, JSON.parse(text));
    response.end("{}");
  } else if (request.url.startsWith("/interaction/")) {
    await interact(request, response);
  } else {
    answer(request, response);
  }
}).listen(Number(port), "127.0.0.1", () => console.log(issuer));

async function interact(request, response) {
  const details = await provider.interactionDetails(request, response);
  if (world.subject === "") {
    const denied = { error: "access_denied", error_description: "no <b>thanks</b>" };
    await provider.interactionFinished(request, response, denied);
    return;
  }
  const { prompt, params, session } = details;
  if (prompt.name === "login") {
    await provider.interactionFinished(request, response, { login: { accountId: world.subject } });
    return;
  }
  const grant = new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
  grant.addOIDCScope(params.scope);
  await provider.interactionFinished(request, response, { consent: { grantId: await grant.save() } });
}
