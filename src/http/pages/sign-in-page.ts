import { renderPage } from "./page-shell.js";

/** The page at `/sign-in`: for Bull Board, and for whoever has no console open. */
export const SIGN_IN_PAGE = renderPage({
  title: "Sign in – Headrace",
  scripts: ["/assets/sign-in.js"],
  body: `<main>
<h1>Sign in to Headrace</h1>
<form id="sign-in" method="post">
<label>E-mail <input name="email" type="email" autocomplete="username" required autofocus></label>
<label>Password <input name="password" type="password" autocomplete="current-password" required></label>
<p role="alert" id="fault"></p>
<button type="submit">Sign in</button>
</form>
<div id="provider" hidden>
<p class="or">or</p>
<a class="provider" id="provider-link">Sign in with <span id="provider-label"></span></a>
</div>
<noscript>Signing in here needs JavaScript.</noscript>
</main>`,
});

/**
 * The script of that page. `next` is followed only to a path of this server: a parsed URL's origin is compared,
 * since `//evil.example` and `/\\evil.example` look like paths, and `/..//evil.example` resolves to one like that.
 */
export const SIGN_IN_SCRIPT = `
const form = document.getElementById("sign-in");
const fault = document.getElementById("fault");
const button = form.querySelector("button");

function nextPage() {
  const asked = new URLSearchParams(location.search).get("next") ?? "/";
  const url = new URL(asked, location.origin);
  const isOwn = url.origin === location.origin && !url.pathname.startsWith("//");
  return isOwn ? url.pathname + url.search : "/";
}

const FAULTS = {
  stale: "That sign-in took too long, or began in another browser. Please try again.",
  refused: "The provider refused the sign-in.",
  invalid: "The provider's answer was not valid. Please try again.",
  unreachable: "The provider does not answer.",
  unverified: "The provider does not vouch for your e-mail address.",
  taken: "Your e-mail address belongs to another account of the provider. Please ask an admin.",
  "no-access": "You have no access to this installation. Please ask an admin.",
};
const given = new URLSearchParams(location.search).get("fault");
if (given !== null && Object.hasOwn(FAULTS, given)) fault.textContent = FAULTS[given];

fetch("/api/v1/auth/methods")
  .then((response) => response.json())
  .then(({ oidc }) => {
    if (!oidc) return;
    document.getElementById("provider-label").textContent = oidc.label;
    document.getElementById("provider-link").href = oidc.startUrl + "?next=" + encodeURIComponent(nextPage());
    document.getElementById("provider").hidden = false;
  })
  .catch(() => undefined);

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  fault.textContent = "";
  button.disabled = true;
  try {
    const response = await fetch("/api/v1/auth/login", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ email: form.elements.email.value.trim(), password: form.elements.password.value }),
    });
    if (response.ok) {
      location.replace(nextPage());
      return;
    }
    const problem = await response.json();
    fault.textContent = problem.detail;
  } catch {
    fault.textContent = "The server cannot be reached.";
  }
  button.disabled = false;
});
`;
