import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import type { ConsoleFiles } from "../pages/console-files.js";
import { LANDING_PAGE } from "../pages/landing-page.js";
import { PAGE_STYLES, renderPage } from "../pages/page-shell.js";
import { SIGN_IN_PAGE, SIGN_IN_SCRIPT } from "../pages/sign-in-page.js";
import { defineRoute, type RouteDefinition } from "../route.js";
import { PAGE_CSP } from "../security-headers.js";
import { consoleRoutes } from "./console.js";

const DOCS_PAGE = renderPage({
  title: "Headrace API",
  scripts: ["/docs/swagger-ui-bundle.js", "/docs/start.js"],
  body: `<link rel="stylesheet" href="/docs/swagger-ui.css"><div id="swagger-ui"></div>`,
}).replace('<link rel="stylesheet" href="/assets/page.css">', "");

const DOCS_SCRIPT = `
addEventListener("DOMContentLoaded", () => {
  window.ui = SwaggerUIBundle({
    url: "/openapi.json",
    dom_id: "#swagger-ui",
    deepLinking: true,
    validatorUrl: null,
    requestInterceptor: (request) => {
      request.headers["X-Headrace-CSRF"] = "1";
      return request;
    },
  });
});
`;

const TYPES = {
  html: "text/html; charset=utf-8",
  css: "text/css; charset=utf-8",
  js: "text/javascript; charset=utf-8",
} as const;

/**
 * The console, or plain pages in its place, and `/docs`, with their files: public, listed one by one, everything from
 * this server.
 */
export function pageRoutes({ console }: { readonly console?: ConsoleFiles | undefined }): RouteDefinition[] {
  const swaggerFolder = dirname(createRequire(import.meta.url).resolve("swagger-ui-dist/package.json"));
  const readSwagger = (name: string) => readFileSync(join(swaggerFolder, name));
  return [
    ...(console ? consoleRoutes({ files: console }) : plainPages()),
    page("/docs", "html", () => DOCS_PAGE),
    page("/docs/start.js", "js", () => DOCS_SCRIPT),
    page("/docs/swagger-ui.css", "css", () => readSwagger("swagger-ui.css")),
    page("/docs/swagger-ui-bundle.js", "js", () => readSwagger("swagger-ui-bundle.js")),
  ];
}

/** What an installation has in whose build there is no console. */
function plainPages(): RouteDefinition[] {
  return [
    page("/", "html", () => LANDING_PAGE),
    page("/sign-in", "html", () => SIGN_IN_PAGE),
    page("/assets/page.css", "css", () => PAGE_STYLES),
    page("/assets/sign-in.js", "js", () => SIGN_IN_SCRIPT),
  ];
}

/** `/openapi.json`: the document of the whole table. */
export function openApiRoutes(deps: { readonly buildDocument: () => object }): RouteDefinition[] {
  let text: string | undefined;
  return [
    defineRoute({
      method: "get",
      path: "/openapi.json",
      permission: "public",
      summary: "This document",
      tag: "Operations",
      answers: { 200: { description: "OpenAPI 3.1", contentType: "application/json" } },
      handler() {
        text ??= JSON.stringify(deps.buildDocument());
        const headers = { "Content-Type": "application/json; charset=utf-8", "Cache-Control": "no-cache" };
        return Promise.resolve({ status: 200, headers, body: text });
      },
    }),
  ];
}

function page(path: string, type: keyof typeof TYPES, load: () => string | Buffer): RouteDefinition {
  let body: string | Buffer | undefined;
  return defineRoute({
    method: "get",
    path,
    permission: "public",
    summary: path,
    tag: "Pages",
    hidden: true,
    answers: { 200: { description: "The page", contentType: TYPES[type] } },
    handler() {
      body ??= load();
      const headers = {
        "Content-Type": TYPES[type],
        "Content-Security-Policy": PAGE_CSP,
        "Cache-Control": "no-cache",
      };
      return Promise.resolve({ status: 200, headers, body });
    },
  });
}
