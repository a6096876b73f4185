// The console's build: into dist/dashboard, from where the API serves it.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import { defineConfig } from "vite";
import { PAGE_PATHS } from "./src/app/page-paths.ts";

const folder = import.meta.dirname;
const outDir = join(folder, "..", "dist", "dashboard");
const api = process.env.HEADRACE_URL ?? "http://127.0.0.1:3000";

export default defineConfig({
  root: folder,
  cacheDir: join(folder, "..", "node_modules", ".vite-dashboard"),
  plugins: [listPages(), compressFiles()],
  build: {
    outDir,
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    chunkSizeWarningLimit: 700,
    // "use client" in libraries means nothing here
    rolldownOptions: { checks: { moduleLevelDirective: false } },
  },
  // npm run dev: the API of a running Headrace behind this server, so that cookies and the CSRF rule hold
  server: { port: 5173, proxy: Object.fromEntries(["/api", "/apps", "/admin", "/docs"].map(toProxy)) },
});

function toProxy(path) {
  return [path, { target: api, changeOrigin: true, headers: { Origin: api } }];
}

/** The API answers with the console at exactly these paths (src/http/console-files.ts). */
function listPages() {
  return {
    name: "list-pages",
    generateBundle() {
      const source = JSON.stringify(Object.values(PAGE_PATHS));
      this.emitFile({ type: "asset", fileName: "pages.json", source });
    },
  };
}

/** Each file once more as `.br` and `.gz`: nothing is compressed while somebody waits. */
function compressFiles() {
  return {
    name: "compress-files",
    apply: "build",
    closeBundle() {
      for (const name of readdirSync(outDir, { recursive: true })) {
        if (!/\.(js|css|html|svg)$/.test(name)) continue;
        const path = join(outDir, name);
        const bytes = readFileSync(path);
        const params = {
          [constants.BROTLI_PARAM_QUALITY]: 10,
          [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length,
        };
        writeFileSync(`${path}.br`, brotliCompressSync(bytes, { params }));
        writeFileSync(`${path}.gz`, gzipSync(bytes, { level: 9 }));
      }
    },
  };
}
