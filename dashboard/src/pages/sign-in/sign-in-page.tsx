import { type SubmitEvent, useEffect, useState } from "react";
import { ApiError, toApiError, unreachable } from "../../api/problem.js";
import { nextAfterSignIn } from "../../api/session.js";
import { Logo } from "../../app/logo.js";
import { Button } from "../../components/button.js";
import { Field, Input } from "../../components/field.js";
import { FormFault } from "../../components/states.js";
import styles from "./sign-in-page.module.css";

/** E-mail and password, then back to where the person was going. */
export function SignInPage() {
  const [email, setEmail] = useState("");
  const [password, setPassword] = useState("");
  const [fault, setFault] = useState<unknown>();
  const [isBusy, setBusy] = useState(false);
  useEffect(() => {
    document.title = "Sign in – Headrace";
  }, []);

  async function signIn(event: SubmitEvent<HTMLFormElement>): Promise<void> {
    event.preventDefault();
    setBusy(true);
    setFault(undefined);
    try {
      await postLogin(email.trim(), password);
      // a whole new page: nothing of whoever was signed in before is left
      location.replace(nextAfterSignIn(location.search, location.origin));
    } catch (error) {
      setFault(error);
      setBusy(false);
    }
  }

  return (
    <main className={styles["page"]}>
      <form className={styles["card"]} onSubmit={(event) => void signIn(event)}>
        <div className={styles["brand"]}>
          <Logo size={30} />
          <h1>Sign in to Headrace</h1>
        </div>
        <Field label="E-mail">
          {(control) => (
            <Input
              {...control}
              name="email"
              type="email"
              autoComplete="username"
              required
              autoFocus
              value={email}
              onChange={(event) => setEmail(event.target.value)}
            />
          )}
        </Field>
        <Field label="Password">
          {(control) => (
            <Input
              {...control}
              name="password"
              type="password"
              autoComplete="current-password"
              required
              value={password}
              onChange={(event) => setPassword(event.target.value)}
            />
          )}
        </Field>
        <FormFault error={fault} />
        <Button type="submit" variant="primary" isBusy={isBusy}>
          Sign in
        </Button>
      </form>
    </main>
  );
}

async function postLogin(email: string, password: string): Promise<void> {
  let response: Response;
  try {
    response = await fetch("/api/v1/auth/login", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ email, password }),
    });
  } catch {
    throw unreachable();
  }
  if (response.ok) return;
  const error = await toApiError(response);
  const seconds = error.retryAfterSeconds;
  if (error.status !== 429 || seconds === undefined) throw error;
  throw new ApiError({
    status: 429,
    title: error.title,
    detail: `${error.message}. Try again in ${Math.ceil(seconds)} s.`,
    requestId: error.requestId,
  });
}
