// The place of the page as a signal, and the ways to another one.

import { computed, signal } from "@preact/signals";
import { type Place, type Subject, hashOf, isLive, placeOf, sameSubject, subjectPath } from "../place";

export const place = signal<Place>(placeOf(location.hash));

window.addEventListener("hashchange", () => {
  place.value = placeOf(location.hash);
});

/** Goes there; `back` of the browser returns. */
export function go(change: Partial<Place>): void {
  move(change, "push");
}

/** Goes there without a step of its own in the browser's history: walking slots is no journey. */
export function adjust(change: Partial<Place>): void {
  move(change, "replace");
}

function move(change: Partial<Place>, how: "push" | "replace"): void {
  const next = { ...place.value, ...change };
  const hash = hashOf(next);
  if (hash === location.hash) return;
  if (how === "push") history.pushState(null, "", hash);
  else history.replaceState(null, "", hash);
  place.value = next;
}

/** Opens another subject; day, zone and the axes stay, what belongs to the one before does not. */
export function open(subject: Subject): void {
  if (sameSubject(subject, place.value.subject)) return;
  go({ subject, slot: keepsSlot(subject) ? place.value.slot : null, own: false });
  keep("subject", subjectPath(subject));
}

function keepsSlot(subject: Subject): boolean {
  return subject.type === place.value.subject?.type;
}

export function backToLive(): void {
  go({ date: null, knownAt: null });
}

export const isLiveNow = computed(() => isLive(place.value));

/** The subject that was open when the page was last left. */
export function lastSubject(): Subject | null {
  const path = kept("subject");
  return path === null ? null : placeOf(`#/${path}`).subject;
}

/** Remembers a choice of this browser; without storage it is simply not remembered. */
export function keep(name: string, value: string): void {
  try {
    localStorage.setItem(`smartpulse.${name}`, value);
  } catch {
    // A browser that forbids storage forgets; nothing depends on it.
  }
}

export function kept(name: string): string | null {
  try {
    return localStorage.getItem(`smartpulse.${name}`);
  } catch {
    return null;
  }
}

