import { z } from "zod";
import { emailSchema, newPasswordSchema, userSchema } from "./users.js";

/** Body of `POST /auth/login`. */
export const loginSchema = z.strictObject({
  email: emailSchema,
  password: z.string().min(1).max(1024),
});

/** Body of `POST /auth/refresh` and `POST /auth/logout`; browsers send the refresh cookie in its place. */
export const refreshSchema = z
  .strictObject({ refreshToken: z.string().min(1).max(4096).optional() })
  .default({});

/** Body of `POST /auth/password`. */
export const changePasswordSchema = z.strictObject({
  currentPassword: z.string().min(1).max(1024),
  newPassword: newPasswordSchema,
});

/** Answer of login and refresh. */
export const signedInSchema = z
  .object({
    accessToken: z.string(),
    refreshToken: z.string(),
    tokenType: z.literal("Bearer"),
    expiresIn: z.int().meta({ description: "Seconds for which the access token is good." }),
    user: userSchema,
  })
  .meta({ id: "SignedIn" });
export type SignedIn = z.infer<typeof signedInSchema>;

/** Answer of `GET /auth/me`. `role` and `permissions` are those of the credential that was sent. */
export const meSchema = userSchema.extend({ permissions: z.array(z.string()) }).meta({ id: "Me" });
