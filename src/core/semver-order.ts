/** The parts of a semantic version (semver.org 2.0.0). */
export interface SemanticVersion {
  /** Major, minor and patch, as written: they may exceed what a number holds. */
  readonly release: readonly [string, string, string];
  readonly prerelease: readonly string[];
  readonly build: readonly string[];
}

/** The grammar that semver.org gives: no leading `v`, no leading zeros, no empty identifiers. */
const SEMVER =
  /^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(?:-((?:0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)(?:\.(?:0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*))*))?(?:\+([0-9a-zA-Z-]+(?:\.[0-9a-zA-Z-]+)*))?$/;

/** Longer ones are refused, so that the length of each number fits two digits. */
const MAX_SEMVER_LENGTH = 80;

/** Reads a semantic version strictly; undefined when it is none. */
export function parseSemver(text: string): SemanticVersion | undefined {
  if (text.length > MAX_SEMVER_LENGTH) return undefined;
  const match = SEMVER.exec(text);
  if (!match) return undefined;
  const [, major = "", minor = "", patch = "", prerelease, build] = match;
  return {
    release: [major, minor, patch],
    prerelease: prerelease?.split(".") ?? [],
    build: build?.split(".") ?? [],
  };
}

/**
 * A text whose order under any collation is semver's precedence: digits and lower-case letters only. Versions
 * that differ in build metadata alone share it. Releases end in `z`, prereleases do not.
 */
export function toVersionOrder(version: SemanticVersion): string {
  const release = version.release.map(sortableNumber).join("");
  if (version.prerelease.length === 0) return `${release}z`;
  return `${release}a${version.prerelease.map(sortableIdentifier).join("")}0`;
}

/** The last letter of a release's {@link toVersionOrder}. */
export const RELEASE_MARK = "z";

/** Numbers of more digits are greater: two digits of length, then the digits. */
function sortableNumber(digits: string): string {
  return String(digits.length).padStart(2, "0") + digits;
}

/** Numeric identifiers come before others; a shorter list of identifiers before a longer one (its `0` ends it). */
function sortableIdentifier(identifier: string): string {
  if (/^\d+$/.test(identifier)) return `1${sortableNumber(identifier)}`;
  // in hexadecimal, since collations other than C disagree with ASCII on letters and hyphens
  const hex = [...identifier].map((letter) => letter.charCodeAt(0).toString(16)).join("");
  return `2${hex}00`;
}
