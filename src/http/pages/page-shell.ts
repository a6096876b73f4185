/** The frame of our few static pages. `body` is trusted HTML: nothing that a user wrote goes in. */
export function renderPage(page: {
  title: string;
  body: string;
  head?: string;
  scripts?: readonly string[];
}): string {
  const scripts = (page.scripts ?? []).map((path) => `<script src="${path}" defer></script>`).join("");
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${page.title}</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/assets/page.css">
${page.head ?? ""}${scripts}
</head>
<body>
${page.body}
</body>
</html>
`;
}

/** The style sheet of our static pages. */
export const PAGE_STYLES = `
:root { color-scheme: light dark; font-family: system-ui, sans-serif; line-height: 1.5; }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; }
main { width: min(28rem, calc(100vw - 3rem)); }
h1 { font-size: 1.4rem; margin: 0 0 0.5rem; }
ul { padding-left: 1.2rem; }
form { display: grid; gap: 0.75rem; }
label { display: grid; gap: 0.25rem; font-size: 0.9rem; }
input, button { font: inherit; padding: 0.5rem 0.6rem; border-radius: 0.4rem; border: 1px solid #8888; }
button { background: #1a5fb4; color: #fff; border-color: #1a5fb4; cursor: pointer; }
.provider { display: block; text-align: center; padding: 0.5rem 0.6rem; border-radius: 0.4rem; border: 1px solid #8888;
  color: inherit; text-decoration: none; }
.provider:hover, .provider:focus-visible { border-color: #1a5fb4; }
.or { text-align: center; margin: 0.75rem 0; opacity: 0.7; }
[hidden] { display: none; }
button:disabled { opacity: 0.6; cursor: wait; }
[role="alert"] { min-height: 1.5rem; margin: 0; color: #c01c28; }
`;
