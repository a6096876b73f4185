import { hash, verify } from "@node-rs/argon2";

/** Argon2id: 19 MiB and 2 passes, OWASP's floor for one lane. */
const COST = { memoryCost: 19_456, timeCost: 2, parallelism: 1 } as const;

/** Makes and checks password hashes. */
export interface Passwords {
  /** The PHC string of a password; the library's default algorithm is Argon2id. */
  hash(password: string): Promise<string>;
  /**
   * Whether a password is the one that was hashed. For a person who is not known or has no password, give null:
   * it is false, and takes as long as a wrong password does.
   */
  verify(passwordHash: string | null, password: string): Promise<boolean>;
}

/** Makes the password hasher; the hash that stands in for unknown people is made on first use. */
export function createPasswords(): Passwords {
  let standIn: Promise<string> | undefined;
  return {
    hash: async (password) => await hash(password, COST),
    async verify(passwordHash, password) {
      standIn ??= hash("nobody's password", COST);
      const isRight = await verify(passwordHash ?? (await standIn), password);
      return passwordHash !== null && isRight;
    },
  };
}
