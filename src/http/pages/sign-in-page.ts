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
<noscript>Signing in here needs JavaScript.</noscript>
</main>`,
});

/**
 * The script of that page. `next` is followed only to a path of this server: a parsed URL's origin is compared,
 * since `//evil.example` and `/\\evil.example` look like paths.
 */
export const SIGN_IN_SCRIPT = `
const form = document.getElementById("sign-in");
const fault = document.getElementById("fault");
const button = form.querySelector("button");

function nextPage() {
  const asked = new URLSearchParams(location.search).get("next") ?? "/";
  const url = new URL(asked, location.origin);
  return url.origin === location.origin ? url.pathname + url.search : "/";
}

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
