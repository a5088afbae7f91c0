// The service's clock on this page, and how long ago anything was heard. The browser's own clock may be wrong by
// minutes; ages are counted from what the service says, carried on by a clock that only runs forward.

import { computed, signal } from "@preact/signals";

/** Silence after which what is shown is called old: progress comes at least once a second. */
export const OLD_AFTER_MS = 2_500;
const TICK_MS = 250;

/** Milliseconds since the page began; never jumps. */
export const elapsed = signal(performance.now());
setInterval(() => {
  elapsed.value = performance.now();
}, TICK_MS);

const heardClock = signal<{ clock: number; at: number } | null>(null);

/** The service said what its clock is. */
export function heardTime(clock: string): void {
  const parsed = Date.parse(clock);
  if (Number.isFinite(parsed)) heardClock.value = { clock: parsed, at: performance.now() };
}

/** The service's time now, to a quarter of a second. */
export const now = computed(() => {
  const heard = heardClock.value;
  return heard === null ? Date.now() + 0 * elapsed.value : heard.clock + (elapsed.value - heard.at);
});

/** Now, for what only needs to know to the second. */
export const nowSecond = computed(() => Math.floor(now.value / 1_000) * 1_000);
/** Now, for what only needs to know to the minute. */
export const nowMinute = computed(() => Math.floor(now.value / 60_000) * 60_000);
