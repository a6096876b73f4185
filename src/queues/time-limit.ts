import { AppError } from "../errors/app-error.js";

/**
 * Waits for `work` at most `limitMs`. The work itself goes on: whoever starts it must bear that it ends later.
 * @throws AppError NOT_READY when the time is over.
 */
export async function withTimeLimit<T>(work: Promise<T>, limitMs: number, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const overdue = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      reject(new AppError("NOT_READY", `${what} took longer than ${limitMs} ms`));
    }, limitMs);
  });
  try {
    return await Promise.race([work, overdue]);
  } finally {
    clearTimeout(timer);
  }
}
