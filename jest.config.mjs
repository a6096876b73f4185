/** Jest on native ESM: run with NODE_OPTIONS=--experimental-vm-modules (scripts/test.mjs does). */
const shared = {
  testEnvironment: "node",
  extensionsToTreatAsEsm: [".ts"],
  moduleNameMapper: { "^(\\.{1,2}/.*)\\.js$": "$1" },
  transform: {
    "^.+\\.ts$": [
      "@swc/jest",
      {
        jsc: { target: "es2022", parser: { syntax: "typescript" } },
        module: { type: "es6" },
      },
    ],
  },
  modulePathIgnorePatterns: ["<rootDir>/dist/"],
};

export default {
  projects: [
    {
      ...shared,
      displayName: "unit",
      testMatch: ["<rootDir>/{src,workers,bench,dashboard/src,test/simulation}/**/*.test.ts"],
    },
    {
      ...shared,
      displayName: "integration",
      testMatch: ["<rootDir>/test/**/*.test.ts"],
      testPathIgnorePatterns: ["/node_modules/", "<rootDir>/test/simulation/", "<rootDir>/test/faults/"],
      globalSetup: "<rootDir>/test/support/global-setup.mjs",
      globalTeardown: "<rootDir>/test/support/global-teardown.mjs",
      setupFilesAfterEnv: ["<rootDir>/test/support/leak-check.ts"],
    },
  ],
  // most tests wait for processes and servers rather than for this one; two at once also on two cores
  maxWorkers: 2,
  testTimeout: 60000,
};
