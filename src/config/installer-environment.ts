/** What package installers read: indexes, proxies, certificates. Nothing of Headrace's own matches. */
const PASSED_ON =
  /^(PIP_|npm_config_|UV_)|^(HTTPS?_PROXY|https?_proxy|NO_PROXY|no_proxy|ALL_PROXY|SSL_CERT_FILE|SSL_CERT_DIR|REQUESTS_CA_BUNDLE|NODE_EXTRA_CA_CERTS)$/;

/** The part of the process's environment that tells pip and npm how this machine is set up. */
export function readInstallerEnvironment(
  environment: Readonly<Record<string, string | undefined>> = process.env,
): Record<string, string> {
  const entries = Object.entries(environment).filter(
    ([name, value]) => PASSED_ON.test(name) && value !== undefined,
  );
  return Object.fromEntries(entries) as Record<string, string>;
}
