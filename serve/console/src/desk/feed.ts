// The page's two subscriptions: the units, and what is shown. Rows change only when a group is closed.

import { type ReadonlySignal, type Signal, computed, effect, signal } from "@preact/signals";
import type { Step } from "../stream/groups";
import { type Rows, type ViewDelta, applied, collected, identity } from "../stream/rows";
import { type Phase, subscribe } from "../stream/subscription";
import { OLD_AFTER_MS, elapsed, heardTime } from "./clock";

export interface Feed {
  /** The path whose rows these are; null before the first snapshot. */
  shown: string | null;
  rows: Rows;
}

/** How a subscription fares. Instants are on the page's own clock. */
interface Fare {
  phase: Phase;
  /** When the last group was closed, or the subscription begun. */
  stepAt: number;
  hasStep: boolean;
  /** Cut, and nothing has come since. */
  isCut: boolean;
}

export const unitsFeed = signal<Feed>({ shown: null, rows: new Map() });
export const subjectFeed = signal<Feed>({ shown: null, rows: new Map() });
const unitsFare = signal<Fare | null>(null);
const subjectFare = signal<Fare | null>(null);

export const epoch = signal(0);
/** When something shown last changed while the page was looking, on its own clock. */
export const changedAt = signal<number | null>(null);
/** Rows that the newest group changed, and its number, for the eye. */
export const flash = signal<{ names: ReadonlySet<string>; group: number }>({ names: new Set(), group: 0 });

const RATE_OVER_MS = 10_000;
/** Changes of the last seconds. */
const recent: { at: number; rows: number }[] = [];

/** Changed rows a second, over the last ten seconds. */
export const changesPerSecond = computed(() => {
  const since = elapsed.value - RATE_OVER_MS;
  while (recent[0] !== undefined && recent[0].at < since) recent.shift();
  return recent.reduce((sum, { rows }) => sum + rows, 0) / (RATE_OVER_MS / 1_000);
});

/** Called after each group of what is shown; with null after a snapshot. */
type Listener = (deltas: readonly ViewDelta[] | null) => void;
const listeners = new Set<Listener>();

export function onChanges(listener: Listener): void {
  listeners.add(listener);
}

/** Subscribes to `path` and keeps `feed` and `fare` by it, until the answer is called. */
function follow(path: string, feed: Signal<Feed>, fare: Signal<Fare | null>): () => void {
  const isSubject = feed === subjectFeed;
  fare.value = { phase: { type: "connecting" }, stepAt: performance.now(), hasStep: false, isCut: false };

  function changed(deltas: readonly ViewDelta[]): void {
    feed.value = { shown: path, rows: applied(feed.peek().rows, deltas) };
    changedAt.value = performance.now();
    recent.push({ at: performance.now(), rows: deltas.length });
    if (!isSubject) return;
    const names = new Set(deltas.map((delta) => identity(delta.view, delta.key)));
    flash.value = { names, group: flash.peek().group + 1 };
    for (const listener of listeners) listener(deltas);
  }

  function step(step: Step): void {
    if (step.type === "resync") return;
    const before = fare.peek();
    if (before !== null) fare.value = { ...before, stepAt: performance.now(), hasStep: true, isCut: false };
    // What was read besides the stream may have been cut short with it.
    const isBack = before?.isCut === true && step.type !== "snapshot";
    if (isSubject && isBack) for (const listener of listeners) listener(null);
    if (step.type !== "changes") heardTime(step.clock);
    // Only a snapshot may lead back: of a folder that was restored.
    epoch.value = step.type === "snapshot" ? step.epoch : Math.max(step.epoch, epoch.peek());
    if (step.type === "snapshot") {
      feed.value = { shown: path, rows: collected(step.rows) };
      if (isSubject) for (const listener of listeners) listener(null);
    } else if (step.type === "changes" && step.deltas.length > 0) {
      changed(step.deltas);
    }
  }

  function phase(phase: Phase): void {
    const before = fare.peek();
    if (before !== null) fare.value = { ...before, phase, isCut: before.isCut || phase.type === "waiting" };
  }

  const around = {
    fetch: (...request: Parameters<typeof fetch>) => fetch(...request),
    nowMs: () => performance.now(),
    chance: () => Math.random(),
  };
  const subscription = subscribe(path, { step, phase }, around);
  return () => {
    subscription.close();
    fare.value = null;
  };
}

/** A page nobody sees for this long gives its connections back: browsers allow six to a host, for all tabs. */
const HIDDEN_MS = 15_000;
export const isAwake = signal(true);
let hiding: ReturnType<typeof setTimeout> | undefined;
document.addEventListener("visibilitychange", () => {
  clearTimeout(hiding);
  if (document.visibilityState === "visible") isAwake.value = true;
  else hiding = setTimeout(() => (isAwake.value = false), HIDDEN_MS);
});

/** Keeps both subscriptions for as long as the page lives; `path` is what the subject's asks for. */
export function keepSubscribed(path: ReadonlySignal<string | null>): void {
  effect(() => {
    if (isAwake.value) return follow("/api/v2.0/stream?view=units", unitsFeed, unitsFare);
    return undefined;
  });
  effect(() => {
    const wanted = path.value;
    if (isAwake.value && wanted !== null) return follow(wanted, subjectFeed, subjectFare);
    return undefined;
  });
}

export interface Freshness {
  type: "live" | "starting" | "old";
  /** Milliseconds since the last word. */
  silentMs: number;
  /** Why it is old, and when the next attempt is made. */
  reason: string | null;
  nextMs: number | null;
}

/** Whether what is shown is up to date: as good as the worse of the two subscriptions. */
export const freshness = computed<Freshness>(() => {
  const fares = [unitsFare.value, subjectFare.value].filter((fare) => fare !== null);
  const fresh = fares.map((fare): Freshness => {
    const { phase, stepAt, hasStep, isCut } = fare;
    const silentMs = Math.max(0, elapsed.value - stepAt);
    const isWaiting = phase.type === "waiting";
    return {
      // Before the first snapshot there is nothing that could be old.
      type: isCut || (hasStep && silentMs > OLD_AFTER_MS) ? "old" : hasStep ? "live" : "starting",
      silentMs,
      reason: isWaiting ? phase.ending.message : null,
      nextMs: isWaiting ? Math.max(0, phase.untilMs - elapsed.value) : null,
    };
  });
  const rank = { old: 0, starting: 1, live: 2 };
  fresh.sort((left, right) => rank[left.type] - rank[right.type] || right.silentMs - left.silentMs);
  return fresh[0] ?? { type: "starting", silentMs: 0, reason: null, nextMs: null };
});
