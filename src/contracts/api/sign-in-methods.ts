import { z } from "zod";

/** Answer of `GET /auth/methods`: how one may sign in here. */
export const signInMethodsSchema = z
  .object({
    password: z.literal(true),
    oidc: z
      .object({
        label: z.string().meta({ description: "What the button calls the provider." }),
        startUrl: z
          .string()
          .meta({ description: "Where to send the browser; add `?next=/path` to come back to." }),
      })
      .nullable(),
  })
  .meta({ id: "SignInMethods" });

/** Query of `GET /auth/oidc/start`. */
export const oidcStartQuerySchema = z.strictObject({
  next: z.string().max(2000).optional().meta({ description: "Path of this server to go to afterwards." }),
});

/** Query of `GET /auth/oidc/callback`: whatever the provider sends; it is judged as a whole. */
export const oidcCallbackQuerySchema = z.record(z.string(), z.union([z.string(), z.array(z.string())]));
