import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

/** What package installers read: indexes, proxies, certificates. Nothing of Headrace's own matches. */
const PASSED_ON =
  /^(PIP_|npm_config_|UV_)|^(HTTPS?_PROXY|https?_proxy|NO_PROXY|no_proxy|ALL_PROXY|SSL_CERT_FILE|SSL_CERT_DIR|REQUESTS_CA_BUNDLE|NODE_EXTRA_CA_CERTS)$/;

/**
 * The part of the process's environment that tells pip and npm how this machine is set up. They run with another home
 * folder, so that what its user has written down for them is named too.
 */
export function readInstallerEnvironment(
  environment: Readonly<Record<string, string | undefined>> = process.env,
): Record<string, string> {
  const entries = Object.entries(environment).filter(
    ([name, value]) => PASSED_ON.test(name) && value !== undefined,
  );
  const home = environment["HOME"] ?? homedir();
  const configHome = environment["XDG_CONFIG_HOME"] ?? join(home, ".config");
  const pip = [join(configHome, "pip/pip.conf"), join(home, ".pip/pip.conf")].find((path) =>
    existsSync(path),
  );
  const npm = [join(home, ".npmrc")].find((path) => existsSync(path));
  return {
    ...(pip === undefined ? {} : { PIP_CONFIG_FILE: pip }),
    ...(npm === undefined ? {} : { npm_config_userconfig: npm }),
    ...(Object.fromEntries(entries) as Record<string, string>),
  };
}
