import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { PAGE_CSP } from "../security-headers.js";

/** How a body may be compressed ahead, best first, and the ending of its file. */
const ENCODINGS = [
  ["br", ".br"],
  ["gzip", ".gz"],
] as const;

const TYPES: Readonly<Record<string, string>> = {
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
  ".png": "image/png",
  ".woff2": "font/woff2",
  ".wasm": "application/wasm",
};

/** A body as one client can take it. */
export interface ConsoleBody {
  readonly bytes: Buffer;
  /** For `Content-Encoding`; undefined: as it is. */
  readonly encoding: string | undefined;
}

/** The built console. */
export interface ConsoleFiles {
  /** The paths that the console has pages at, as Express writes them: `/runs/:id`. */
  readonly pagePaths: readonly string[];
  /** Its files under `/assets/`, by name; each has the hash of its content in it, so it never changes. */
  readonly assets: readonly { readonly name: string; readonly contentType: string }[];
  /** What the pages may load and run: nothing but this server's, and the one inline script by its hash. */
  readonly policy: string;
  /** The page itself, the same at every path. */
  readPage(acceptEncoding: string): ConsoleBody;
  readAsset(name: string, acceptEncoding: string): ConsoleBody;
}

/** Paths that are never the console's, whatever its build says. */
const NOT_PAGES = /^\/(api|hooks|docs|admin|apps|assets|health|metrics|mcp|openapi\.json)(\/|$)/;

/** Beside the compiled program, or in `dist` when this is run from the sources. */
const PLACES = ["../../../dashboard", "../../../dist/dashboard"].map((path) =>
  fileURLToPath(new URL(path, import.meta.url)),
);

/** Reads the built console; undefined where none has been built. @throws Error when its build is broken */
export function findConsoleFiles(folders: readonly string[] = PLACES): ConsoleFiles | undefined {
  const folder = folders.find((each) => existsSync(join(each, "pages.json")));
  if (folder === undefined) return undefined;
  const pagePaths = JSON.parse(readFileSync(join(folder, "pages.json"), "utf8")) as string[];
  const stray = pagePaths.find((path) => NOT_PAGES.test(path) || path.includes("*"));
  if (stray !== undefined) throw new Error(`the console claims a path that is not its own: ${stray}`);
  const assets = readdirSync(join(folder, "assets")).flatMap((name) => {
    const contentType = TYPES[extname(name)];
    return contentType === undefined ? [] : [{ name, contentType }];
  });
  const bodies = new Map<string, ConsoleBody>();

  function read(path: string, acceptEncoding: string): ConsoleBody {
    const [encoding, ending] = ENCODINGS.find(
      ([name, suffix]) => accepts(acceptEncoding, name) && existsSync(path + suffix),
    ) ?? [undefined, ""];
    const held = bodies.get(path + ending);
    if (held) return held;
    const body = { bytes: readFileSync(path + ending), encoding };
    bodies.set(path + ending, body);
    return body;
  }

  return {
    pagePaths,
    assets,
    policy: toPolicy(readFileSync(join(folder, "index.html"), "utf8")),
    readPage: (acceptEncoding) => read(join(folder, "index.html"), acceptEncoding),
    readAsset: (name, acceptEncoding) => read(join(folder, "assets", name), acceptEncoding),
  };
}

/** Whether an `Accept-Encoding` takes a coding: named, and not with a quality of nothing. */
function accepts(header: string, coding: string): boolean {
  return header.split(",").some((part) => {
    const [name, quality] = part
      .trim()
      .toLowerCase()
      .split(/\s*;\s*q=/);
    return name === coding && Number(quality ?? 1) > 0;
  });
}

function toPolicy(html: string): string {
  const hashes = [...html.matchAll(/<script>([\s\S]*?)<\/script>/g)].map(
    ([, text]) => `'sha256-${createHash("sha256").update(String(text)).digest("base64")}'`,
  );
  return PAGE_CSP.replace("script-src 'self'", ["script-src 'self'", ...hashes].join(" "));
}
