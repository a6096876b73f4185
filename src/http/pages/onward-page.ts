import { renderPage } from "./page-shell.js";

/**
 * A page that goes on to a path of this server. A redirect would not do: it would still count as coming from the
 * provider's site, and browsers would keep our SameSite=Strict cookies from it.
 */
export function renderOnwardPage(path: string): string {
  const target = path
    .replaceAll("&", "&amp;")
    .replaceAll('"', "&quot;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    // the separator of the instruction below; the URL standard reads it as part of the path
    .replaceAll(";", "%3B");
  return renderPage({
    title: "Signed in – Headrace",
    head: `<meta http-equiv="refresh" content="0;url=${target}">`,
    body: `<main><h1>Signed in</h1><p><a href="${target}">Go on</a></p></main>`,
  });
}
