import { renderPage } from "./page-shell.js";

/** What `/` shows where no console has been built. */
export const LANDING_PAGE = renderPage({
  title: "Headrace",
  body: `<main>
<h1>Headrace</h1>
<p>The API is running. The console has not been built into this installation.</p>
<ul>
<li><a href="/docs">API reference</a> (<a href="/openapi.json">OpenAPI document</a>)</li>
<li><a href="/admin/queues">Queues</a> – for operators, after signing in</li>
<li><a href="/health/ready">Readiness</a></li>
</ul>
</main>`,
});
