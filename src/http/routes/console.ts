import type { ConsoleBody, ConsoleFiles } from "../pages/console-files.js";
import { defineRoute, type RouteDefinition, type RouteResponse } from "../route.js";

const COMMON = { method: "get", permission: "public", tag: "Pages", hidden: true } as const;
const YEAR = "public, max-age=31536000, immutable";

/**
 * The console: its page at each of its paths and each of its files, one by one. Nothing is matched by prefix, so no
 * unknown path of the API is ever answered with a page, and no path leads out of its folder.
 */
export function consoleRoutes({ files }: { readonly files: ConsoleFiles }): RouteDefinition[] {
  const pages = files.pagePaths.map((path) =>
    defineRoute({
      ...COMMON,
      path,
      summary: "The console",
      answers: { 200: { description: "The page", contentType: "text/html" } },
      handler({ header }) {
        const headers = {
          "Content-Type": "text/html; charset=utf-8",
          "Content-Security-Policy": files.policy,
          "Cache-Control": "no-cache",
        };
        return Promise.resolve(answer(headers, files.readPage(header("accept-encoding") ?? "")));
      },
    }),
  );
  const assets = files.assets.map(({ name, contentType }) =>
    defineRoute({
      ...COMMON,
      path: `/assets/${name}`,
      summary: "A file of the console",
      answers: { 200: { description: "The file", contentType } },
      handler({ header }) {
        const headers = { "Content-Type": contentType, "Cache-Control": YEAR };
        return Promise.resolve(answer(headers, files.readAsset(name, header("accept-encoding") ?? "")));
      },
    }),
  );
  return [...pages, ...assets];
}

function answer(headers: Record<string, string>, { bytes, encoding }: ConsoleBody): RouteResponse {
  return {
    status: 200,
    headers: {
      ...headers,
      Vary: "Accept-Encoding, Origin",
      ...(encoding && { "Content-Encoding": encoding }),
    },
    body: bytes,
  };
}
