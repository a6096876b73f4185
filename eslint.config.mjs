import reactHooks from "eslint-plugin-react-hooks";
import tseslint from "typescript-eslint";

/**
 * The one-way import rule (docs/ARCHITECTURE.md): a room may import only from the rooms named for it.
 * Data flows route → service → (model | queue) → worker → executor → event → client, never back up.
 */
const ROOMS = {
  core: ["errors"],
  errors: [],
  contracts: ["core", "errors"],
  outgoing: ["errors", "core"],
  config: ["errors", "core", "outgoing"],
  observability: ["config", "errors"],
  models: ["core", "errors", "contracts", "config", "observability"],
  queues: ["core", "errors", "contracts", "config", "observability"],
  events: ["core", "errors", "contracts", "config", "observability", "models"],
  executors: ["core", "errors", "contracts", "outgoing"],
  connectors: ["core", "errors", "contracts", "outgoing"],
  services: [
    "core",
    "errors",
    "contracts",
    "config",
    "observability",
    "models",
    "queues",
    "events",
    "outgoing",
    "executors",
    "connectors",
  ],
  streaming: ["core", "errors", "contracts", "config", "observability", "models", "events"],
  http: [
    "core",
    "errors",
    "contracts",
    "config",
    "observability",
    "queues",
    "services",
    "streaming",
    "outgoing",
    "executors",
  ],
};
const ALL = Object.keys(ROOMS);

const boundaries = Object.entries(ROOMS).map(([room, allowed]) => {
  const banned = ALL.filter((other) => other !== room && !allowed.includes(other));
  return {
    files: [`src/${room}/**/*.ts`],
    ignores: ["**/*.test.ts"],
    rules: {
      "no-restricted-imports": [
        "error",
        {
          patterns: [
            {
              regex: `^(\\.\\./)+(${[...banned, "lifecycle", "cli", "container", "app", "server"].join("|")})(/|\\.js$)`,
              message: `src/${room} may import only from: ${allowed.join(", ") || "nothing"}.`,
            },
            { regex: "(^|/)workers/", message: "src never imports from workers." },
          ],
        },
      ],
    },
  };
});

const onlyConfigReadsEnvironment = {
  files: ["src/**/*.ts", "workers/**/*.ts"],
  ignores: ["src/config/**", "**/*.test.ts"],
  rules: {
    "no-restricted-properties": [
      "error",
      { object: "process", property: "env", message: "Only src/config reads the environment." },
    ],
  },
};

/** The console is a client like any other: of the server it has the shapes of what is said, and nothing that runs. */
const consoleKnowsShapesOnly = {
  files: ["dashboard/src/**/*.{ts,tsx}"],
  plugins: { "react-hooks": reactHooks },
  rules: {
    ...reactHooks.configs.recommended.rules,
    // tells what React's compiler would leave alone; there is none here
    "react-hooks/incompatible-library": "off",
    "@typescript-eslint/no-restricted-imports": [
      "error",
      {
        patterns: [
          {
            regex: "^(\\.\\./)+(src|workers)/(?!contracts/|core/)",
            message: "The console knows src/contracts and src/core alone.",
          },
          {
            regex: "^(\\.\\./)+src/",
            allowTypeImports: true,
            message: "The console imports types of the server, never code.",
          },
        ],
      },
    ],
  },
};

export default tseslint.config(
  {
    ignores: [
      "dist/**",
      "node_modules/**",
      "coverage/**",
      "**/*.mjs",
      "examples/**",
      ".headrace/**",
      "src/executors/*/runtime/**",
      "workers/*/runtime/**",
    ],
  },
  ...tseslint.configs.recommended,
  {
    files: ["**/*.{ts,tsx}"],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      "@typescript-eslint/no-explicit-any": "error",
      "@typescript-eslint/no-floating-promises": "error",
      "@typescript-eslint/no-misused-promises": "error",
      "@typescript-eslint/consistent-type-imports": "error",
      "@typescript-eslint/no-unused-vars": ["error", { argsIgnorePattern: "^_", varsIgnorePattern: "^_" }],
      "no-restricted-syntax": [
        "error",
        { selector: "ExportDefaultDeclaration", message: "Named exports only." },
      ],
      "no-empty": "error",
      "max-depth": ["error", 4],
    },
  },
  {
    files: ["src/**/*.ts", "workers/**/*.ts", "dashboard/src/**/*.{ts,tsx}"],
    ignores: ["**/*.test.ts"],
    rules: {
      "max-lines": ["error", { max: 400 }],
      "max-lines-per-function": ["error", { max: 60, skipBlankLines: true, skipComments: true }],
    },
  },
  {
    // markup is as long as what it shows
    files: ["dashboard/src/**/*.tsx"],
    rules: { "max-lines-per-function": ["error", { max: 90, skipBlankLines: true, skipComments: true }] },
  },
  onlyConfigReadsEnvironment,
  consoleKnowsShapesOnly,
  ...boundaries,
);
