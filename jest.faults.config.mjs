import base from "./jest.config.mjs";

const [, integration] = base.projects;
const { globalSetup, globalTeardown, ...shared } = integration;

/** The long faults, with servers of their own: run by scripts/test-faults.mjs (npm run test:faults). */
export default {
  ...shared,
  displayName: "faults",
  testPathIgnorePatterns: ["/node_modules/"],
  testMatch: ["<rootDir>/test/faults/**/*.test.ts"],
  testTimeout: 300_000,
};
