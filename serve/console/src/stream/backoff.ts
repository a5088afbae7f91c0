// How long to wait before the next attempt, and whether one makes sense at all.

/** What an attempt ended with. */
export type Ending =
  | { type: "lost"; message: string }
  | { type: "refused"; status: number; message: string; retryAfterMs: number | null };

/** Longest wait between attempts: a service that comes back is noticed while one looks at the page. */
export const LONGEST_WAIT_MS = 5_000;
/** Where the server said no to what was asked: asking the same again soon changes nothing. */
export const REFUSED_WAIT_MS = 30_000;
const FIRST_WAIT_MS = 250;

/** Milliseconds before attempt `attempt` (1 for the first after an ending). `chance` is from 0 to 1. */
export function waitMs(ending: Ending, attempt: number, chance: number): number {
  if (ending.type === "refused") {
    if (ending.retryAfterMs !== null) return Math.max(ending.retryAfterMs, FIRST_WAIT_MS);
    const isOwnFault = ending.status >= 400 && ending.status < 500 && ending.status !== 429;
    if (isOwnFault) return REFUSED_WAIT_MS;
  }
  const full = Math.min(FIRST_WAIT_MS * 2 ** (attempt - 1), LONGEST_WAIT_MS);
  // Pages that were cut together do not come back together.
  return Math.round(full * (0.75 + chance / 2));
}
