import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { createOidcStates } from "../../src/services/auth/oidc/oidc-state.js";
import { findFreePort } from "../support/find-free-port.js";
import { type OidcWorld, RedirectFollower, startOidcProvider } from "../support/oidc-world.js";
import { startTestServer, TEST_JWT_SECRET, TEST_PASSWORD, type TestServer } from "../support/test-server.js";

const START = "/api/v1/auth/oidc/start";
const CALLBACK = "/api/v1/auth/oidc/callback";
const PEOPLE = {
  ann: { email: "ann@example.com", email_verified: true, name: "Ann", groups: ["data", "ops"] },
  root: { email: "root@example.com", email_verified: true, name: "Root", groups: ["platform"] },
  nobody: { email: "nobody@example.com", email_verified: true, groups: ["sales"] },
  unsure: { email: "editor@example.com", email_verified: false, groups: ["ops"] },
  silent: { groups: ["ops"] },
  editor: { email: "Editor@Example.com", email_verified: true, groups: ["data"] },
  impostor: { email: "ann@example.com", email_verified: true, groups: ["platform"] },
  inactive: { email: "inactive@example.com", email_verified: true, groups: ["ops"] },
};

let provider: OidcWorld;
let server: TestServer;

/** Goes to the provider and back, up to the URL of the callback. */
async function come(subject: keyof typeof PEOPLE | "", browser = new RedirectFollower(), next = "/runs?x=1") {
  await provider.set({ subject });
  const start = `${server.url}${START}?next=${encodeURIComponent(next)}`;
  const url = await browser.followTo(start, `${server.url}${CALLBACK}`);
  return { browser, url };
}

const finish = async (browser: RedirectFollower, url: string) => {
  const response = await browser.get(url);
  const text = await response.text();
  return { status: response.status, text, headers: response.headers };
};

async function signIn(subject: keyof typeof PEOPLE) {
  const { browser, url } = await come(subject);
  const answer = await finish(browser, url);
  const token = browser.jar(server.url).get("headrace_session");
  return { ...answer, browser, url, token };
}

const me = async (token: string | undefined) =>
  (await server.request({ path: "/api/v1/auth/me", token, as: null })).body;
const failures = async (fault: string) =>
  await server
    .knex("action_logs")
    .where({ action: "session.create", outcome: "failed" })
    .whereRaw("after->>'fault' = ?", [fault]);

describe("sign-in through a provider", () => {
  beforeAll(async () => {
    const port = await findFreePort();
    provider = await startOidcProvider(`http://127.0.0.1:${port}${CALLBACK}`);
    server = await startTestServer({
      port,
      environment: {
        OIDC_ISSUER: provider.issuer,
        OIDC_CLIENT_ID: "headrace",
        OIDC_CLIENT_SECRET: "a secret of the client",
        OIDC_SCOPES: "openid email profile groups",
        OIDC_LABEL: "Example ID",
        OIDC_ROLE_CLAIM: "groups",
        OIDC_ROLE_MAP: "data=editor, ops=operator, platform=admin",
      },
    });
    await provider.set({ subject: "", people: PEOPLE });
  });
  afterAll(async () => {
    provider.stop();
    await server.close();
  });

  it("says that there is one", async () => {
    const { body } = await server.request({ path: "/api/v1/auth/methods", as: null });
    expect(body).toEqual({ password: true, oidc: { label: "Example ID", startUrl: START } });
  });

  it("sends a challenge, state and nonce, and keeps what answers them where no script reads it", async () => {
    const response = await server.request({ path: START, as: null });
    expect(response.status).toBe(302);
    const url = new URL(String(response.headers.location));
    expect(url.origin).toBe(provider.issuer);
    expect(Object.fromEntries(url.searchParams)).toMatchObject({
      response_type: "code",
      client_id: "headrace",
      redirect_uri: `${server.url}${CALLBACK}`,
      code_challenge_method: "S256",
    });
    const [cookie = ""] = response.headers["set-cookie"] ?? [];
    expect(cookie).toMatch(
      /^headrace_oidc=[^;]+; Max-Age=600; Path=\/api\/v1\/auth\/oidc; HttpOnly; SameSite=Lax/,
    );
    for (const name of ["state", "nonce"]) {
      expect(url.searchParams.get(name)?.length).toBeGreaterThan(20);
      expect(cookie).not.toContain(url.searchParams.get(name));
    }
  });

  it("makes an account for somebody new, with the strongest role that their groups give, and the cookies", async () => {
    const { status, text, token, headers } = await signIn("ann");
    expect(status).toBe(200);
    expect(text).toContain('content="0;url=/runs?x=1"');
    expect(headers.get("content-security-policy")).toContain("script-src 'self'");
    for (const cookie of headers.getSetCookie().filter((line) => !line.startsWith("headrace_oidc")))
      expect(cookie).toMatch(/HttpOnly.*SameSite=Strict/);
    expect(await me(token)).toMatchObject({ email: "ann@example.com", name: "Ann", role: "editor" });
    const again = await signIn("ann");
    expect(await me(again.token)).toMatchObject({ id: (await me(token))["id"] });
    // no password was set, so none is right
    const body = { email: "ann@example.com", password: TEST_PASSWORD };
    expect(
      (await server.request({ method: "POST", path: "/api/v1/auth/login", as: null, body })).status,
    ).toBe(401);
  });

  it("lets nobody in whom no group gives a role, and makes no account", async () => {
    expect((await signIn("nobody")).status).toBe(403);
    expect(await server.knex("users").where({ email: "nobody@example.com" })).toEqual([]);
    expect(await failures("no-access")).toHaveLength(1);
  });

  it("links by a verified address alone, and one account to one subject", async () => {
    expect((await signIn("unsure")).status).toBe(403);
    expect((await signIn("silent")).status).toBe(403);
    expect(await failures("unverified")).toHaveLength(2);
    expect(await server.knex("user_identities").where({ user_id: server.users.editor.id })).toEqual([]);
    const linked = await signIn("editor");
    expect(await me(linked.token)).toMatchObject({ id: server.users.editor.id, role: "editor" });
    const impostor = await signIn("impostor");
    expect([impostor.status, impostor.token]).toEqual([403, undefined]);
    expect(await failures("taken")).toHaveLength(1);
    expect((await server.knex("users").where({ email: "ann@example.com" }))[0]).toMatchObject({
      role: "editor",
    });
  });

  it("gives the role anew at each sign-in, and keeps the last admin", async () => {
    const first = await signIn("root");
    expect(await me(first.token)).toMatchObject({ role: "admin" });
    await provider.set({ subject: "root", people: { ...PEOPLE, root: { ...PEOPLE.root, groups: ["ops"] } } });
    const lowered = await signIn("root");
    expect(await me(lowered.token)).toMatchObject({ role: "operator" });
    // the session from before has the new role, too
    expect(await me(first.token)).toMatchObject({ role: "operator" });
    await server
      .knex("users")
      .whereNot({ email: "root@example.com" })
      .where({ role: "admin" })
      .update({ is_active: false });
    await server.knex("users").where({ email: "root@example.com" }).update({ role: "admin" });
    expect(await me((await signIn("root")).token)).toMatchObject({ role: "admin" });
    await server.knex("users").where({ id: server.users.admin.id }).update({ is_active: true });
    await provider.set({ subject: "", people: PEOPLE });
  });

  it("refuses a deactivated person", async () => {
    const user = await server.addUser("viewer", "inactive@example.com");
    expect((await signIn("inactive")).status).toBe(200);
    await server.knex("users").where({ id: user.id }).update({ is_active: false });
    const { status, token } = await signIn("inactive");
    expect([status, token]).toEqual([403, undefined]);
  });

  it("two first sign-ins of one person at once make one account", async () => {
    await provider.set({
      subject: "twin",
      people: { ...PEOPLE, twin: { email: "twin@example.com", email_verified: true, groups: ["ops"] } },
    });
    const start = `${server.url}${START}`;
    const came = await Promise.all(
      [new RedirectFollower(), new RedirectFollower()].map(async (browser) => ({
        browser,
        url: await browser.followTo(start, `${server.url}${CALLBACK}`),
      })),
    );
    const answers = await Promise.all(came.map(async ({ browser, url }) => await finish(browser, url)));
    expect(answers.map((answer) => answer.status)).toEqual([200, 200]);
    expect(await server.knex("users").where({ email: "twin@example.com" })).toHaveLength(1);
    await provider.set({ subject: "", people: PEOPLE });
  });

  describe("refuses", () => {
    const states = createOidcStates({ jwtSecret: TEST_JWT_SECRET });
    /** Changes what this browser has kept of its sign-in. */
    const alter = (browser: RedirectFollower, changes: object) => {
      const jar = browser.jar(server.url);
      const kept = states.unseal(jar.get("headrace_oidc") ?? "");
      expect(kept).toBeDefined();
      if (kept) jar.set("headrace_oidc", states.seal({ ...kept, ...changes }));
    };
    const withQuery = (url: string, changes: Record<string, string>) => {
      const changed = new URL(url);
      for (const [name, value] of Object.entries(changes)) changed.searchParams.set(name, value);
      return changed.href;
    };
    const expectRefused = async (browser: RedirectFollower, url: string) => {
      const { status, text } = await finish(browser, url);
      expect([status, browser.jar(server.url).has("headrace_session")]).toEqual([401, false]);
      expect(text).not.toMatch(/<b>| {4}at /);
    };

    it("control: as it came, it is taken", async () => {
      const { browser, url } = await come("ann");
      alter(browser, {});
      expect((await finish(browser, url)).status).toBe(200);
    });

    it("another state", async () => {
      const { browser, url } = await come("ann");
      await expectRefused(browser, withQuery(url, { state: "x".repeat(43) }));
    });

    it("another nonce", async () => {
      const { browser, url } = await come("ann");
      alter(browser, { nonce: "x".repeat(43) });
      await expectRefused(browser, url);
    });

    it("another code verifier", async () => {
      const { browser, url } = await come("ann");
      alter(browser, { codeVerifier: "x".repeat(43) });
      await expectRefused(browser, url);
    });

    it("another issuer", async () => {
      const { browser, url } = await come("ann");
      await expectRefused(browser, withQuery(url, { iss: "https://evil.example" }));
    });

    it("an expired code", async () => {
      await provider.set({ subject: "ann", codeSeconds: 1 });
      const { browser, url } = await come("ann");
      await new Promise((resolve) => setTimeout(resolve, 2200));
      await provider.set({ subject: "ann", codeSeconds: 60 });
      await expectRefused(browser, url);
    });

    it("a code that was used", async () => {
      const { browser, url } = await come("ann");
      const kept = browser.jar(server.url).get("headrace_oidc") ?? "";
      expect((await finish(browser, url)).status).toBe(200);
      const thief = new RedirectFollower();
      thief.jar(server.url).set("headrace_oidc", kept);
      await expectRefused(thief, url);
    });

    it("an answer to another browser's sign-in, or to none", async () => {
      const { url } = await come("ann");
      await expectRefused(new RedirectFollower(), url);
      const forged = new RedirectFollower();
      forged.jar(server.url).set("headrace_oidc", "AAAA");
      await expectRefused(forged, url);
      const other = await come("ann");
      await expectRefused(other.browser, url);
    });

    it("what the provider or the person refuses", async () => {
      const { browser, url } = await come("");
      await expectRefused(browser, url);
      expect((await failures("refused")).length).toBeGreaterThan(0);
    });

    it("to send people to other servers afterwards", async () => {
      for (const next of [
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "/..//evil.example",
        "javascript:alert(1)",
      ]) {
        const { browser, url } = await come("ann", undefined, next);
        expect((await finish(browser, url)).text).toContain('content="0;url=/"');
      }
      const { browser, url } = await come("ann", undefined, '/"><script>alert(1)</script>;url=//evil');
      expect((await finish(browser, url)).text).not.toMatch(/<script>alert|;url=\/\//);
    });
  });

  it("brings browsers back to the sign-in page, with a word that it knows", async () => {
    const { browser, url } = await come("nobody");
    const response = await browser.get(url, { accept: "text/html" });
    expect([response.status, response.headers.get("location")]).toEqual([
      302,
      "/sign-in?fault=no-access&next=%2Fruns%3Fx%3D1",
    ]);
  });

  it("says so when the provider does not answer, or says that it is another", async () => {
    const away = await startTestServer({
      environment: { OIDC_ISSUER: "http://127.0.0.1:9", OIDC_CLIENT_ID: "headrace" },
    });
    // the provider calls itself 127.0.0.1
    const other = await startTestServer({
      environment: {
        OIDC_ISSUER: provider.issuer.replace("127.0.0.1", "localhost"),
        OIDC_CLIENT_ID: "headrace",
      },
    });
    try {
      expect((await away.request({ path: START, as: null })).status).toBe(502);
      expect((await other.request({ path: START, as: null })).status).toBe(502);
    } finally {
      await away.close();
      await other.close();
    }
  });

  it("is not there when no provider is configured", async () => {
    const plain = await startTestServer();
    try {
      expect((await plain.request({ path: START, as: null })).status).toBe(404);
      expect((await plain.request({ path: CALLBACK, as: null })).status).toBe(404);
      expect((await plain.request({ path: "/api/v1/auth/methods", as: null })).body["oidc"]).toBeNull();
    } finally {
      await plain.close();
    }
  });
});
