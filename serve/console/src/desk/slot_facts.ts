// Everything that is known of one slot: its row, who said so, how it came to be, what the others say.

import { computed, effect, signal } from "@preact/signals";
import { isTotal } from "../place";
import { ask, utc, withWords } from "../read/answer";
import type { Revision, Slot, Stage } from "../read/slot";
import { place } from "./address";
import { span } from "./day";
import { revisions } from "./history";
import { chosenStart, minutes, picture, pointedStart, provider } from "./picture";
import { onChanges } from "./feed";
import { following } from "./reading";

/** The slot that the answer is about: under the pointer, else the chosen one. */
export const askedStart = computed(() => {
  const pointed = pointedStart.value;
  const { from, to } = span.value;
  // The pointer may rest on a table that shows another day by now.
  return pointed !== null && pointed >= from && pointed < to ? pointed : chosenStart.value;
});

/** The rows of the asked slot, the one of the table's period first. */
export const askedRows = computed<Slot[]>(() => {
  const start = askedStart.value;
  if (start === null) return [];
  const rows = at(picture.value.slots, start);
  return rows.sort((left, right) => Number(right.minutes === minutes.value) - Number(left.minutes === minutes.value));
});

function at(slots: readonly Slot[], start: number | null): Slot[] {
  return slots.filter((slot) => start !== null && slot.start <= start && start < slot.start + slot.minutes * 60_000);
}

/** What was metered and what other providers say where the asked slot begins; their slots may be shorter or longer. */
export const askedActuals = computed<Slot[]>(() => at(picture.value.actuals, askedStart.value));
export const askedOthers = computed<Slot[]>(() => {
  return at(picture.value.others, askedStart.value).filter((slot) => slot.provider !== provider.value);
});

const revisionsByBatch = computed(() => {
  return new Map(revisions.value.map((revision) => [revision.batchId, revision]));
});
const revisionsByRecorded = computed(() => {
  return new Map(revisions.value.map((revision) => [revision.recorded, revision]));
});

/** What the batch of a row was. */
export interface Origin {
  batchId: string;
  user: string | null;
  note: string | null;
  validAfter: string;
  recorded: string;
}

function revisionOf(row: Slot): Revision | undefined {
  if (row.batchId !== undefined) return revisionsByBatch.value.get(row.batchId);
  // A row read from the past names its `recorded` instead of its batch.
  return row.recorded === undefined ? undefined : revisionsByRecorded.value.get(row.recorded);
}

interface BatchAnswer {
  batchId: string;
  recorded: string;
  validAfter: string;
  user?: string;
  note?: string;
}

/** The batch of the asked row, where history does not hold it (yet). */
const unknownBatch = computed<string | null>(() => {
  const row = askedRows.value[0];
  const isKnown = row === undefined || row.batchId === undefined || revisionOf(row) !== undefined;
  return isKnown ? null : `/api/v2.0/batches/${row.batchId}`;
});
const batch = following(unknownBatch, async (path, abort) => {
  return (await ask<BatchAnswer>(path, { signal: abort })).data;
});

export const askedOrigin = computed<Origin | null>(() => {
  const row = askedRows.value[0];
  if (row === undefined) return null;
  const revision = revisionOf(row);
  if (revision !== undefined) return revision;
  const { data } = batch.state.value;
  if (data === null || data.batchId !== row.batchId) return null;
  return { ...data, user: data.user ?? null, note: data.note ?? null };
});

/** The chosen slot, once one has stopped walking: reads follow it. */
export const settledStart = signal<number | null>(null);
const SETTLE_MS = 200;
effect(() => {
  const start = chosenStart.value;
  const timer = setTimeout(() => (settledStart.value = start), settledStart.peek() === null ? 0 : SETTLE_MS);
  return () => clearTimeout(timer);
});

const evolutionPath = computed<string | null>(() => {
  const shown = place.value;
  const start = settledStart.value;
  if (start === null || shown.subject?.type !== "unit" || isTotal(shown)) return null;
  const { unitType, unitNo } = shown.subject;
  const door = `/api/v2.0/production-forecast/${encodeURIComponent(provider.value)}/${unitType}/${unitNo}/forecasts`;
  const words = { delivery: utc(start), date: shown.date, known_at: shown.knownAt };
  return withWords(`${door}/evolution`, words);
});

/** Each value the chosen delivery had, newest last. */
export const evolution = following(evolutionPath, async (path, abort) => {
  return (await ask<Stage[]>(path, { signal: abort })).data;
});
onChanges((deltas) => {
  const concerns = deltas === null || deltas.some((delta) => delta.key.provider === provider.peek());
  if (concerns) evolution.again();
});
