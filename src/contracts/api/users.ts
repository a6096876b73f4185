import { z } from "zod";
import { instantSchema, pageOf, revisionSchema, roleSchema } from "./common.js";

/** An e-mail address; compared without regard to case. */
export const emailSchema = z
  .string()
  .max(254)
  .regex(/^[^@\s\p{C}]+@[^@\s\p{C}]+$/u, "must be an e-mail address");

/** A password that is being set. Never cut: every character counts. */
export const newPasswordSchema = z.string().min(8, "must have at least 8 characters").max(1024);

const nameSchema = z.string().trim().min(1).max(100);

/** A person, as the API shows them. */
export const userSchema = z
  .object({
    id: z.string(),
    email: z.string(),
    name: z.string(),
    role: roleSchema,
    isActive: z.boolean(),
    lastLoginAt: instantSchema.nullable(),
    revision: revisionSchema,
    createdAt: instantSchema,
    updatedAt: instantSchema,
  })
  .meta({ id: "User" });
export type User = z.infer<typeof userSchema>;

/** Body of `POST /users`. */
export const createUserSchema = z.strictObject({
  email: emailSchema,
  name: nameSchema,
  password: newPasswordSchema,
  role: roleSchema,
});
export type CreateUser = z.infer<typeof createUserSchema>;

/** Body of `PATCH /users/{id}`. */
export const updateUserSchema = z
  .strictObject({
    email: emailSchema,
    name: nameSchema,
    password: newPasswordSchema,
    role: roleSchema,
    isActive: z.boolean(),
  })
  .partial();
export type UpdateUser = z.infer<typeof updateUserSchema>;

/** Answer of `GET /users`. */
export const userPageSchema = pageOf(userSchema);
