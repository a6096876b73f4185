import config from "../../jest.config.mjs";

const integration = config.projects.find(({ displayName }) => displayName === "integration");
const { globalSetup: _setup, globalTeardown: _teardown, ...rest } = integration;

/** Suites that need no database, run by a user who may write nothing but its own folder (`HOME`). */
export default {
  ...rest,
  rootDir: "../..",
  cacheDirectory: `${process.env.HOME}/jest`,
  maxWorkers: 1,
  testTimeout: config.testTimeout,
};
