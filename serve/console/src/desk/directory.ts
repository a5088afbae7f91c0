// Which units there are and who belongs to whom: units live from the stream, memberships read by REST.

import { computed, effect, signal } from "@preact/signals";
import { ask, withWords } from "../read/answer";
import type { RowValue } from "../stream/rows";
import { type Membership, type Unit, byName, unitName } from "../units/unit";
import { adjust, lastSubject, place } from "./address";
import { epoch, onChanges, unitsFeed } from "./feed";
import { following } from "./reading";
import { compareUnits } from "../units/hierarchy";
import { subjectOfUnit } from "../units/unit";

/** All units, groups before companies before plants. */
export const units = computed<Unit[]>(() => {
  const all = [...unitsFeed.value.rows.values()].map((row) => row.value as RowValue & Unit);
  return all.sort(compareUnits);
});

export const unitsByName = computed(() => byName(units.value));
export const hasUnits = computed(() => unitsFeed.value.shown !== null);

const question = computed(() => withWords("/api/v2.0/memberships", { known_at: place.value.knownAt }));
const reading = following(question, async (path, abort) => {
  const answer = await ask<Membership[]>(path, { signal: abort });
  return answer.data;
});
export const memberships = computed<Membership[]>(() => reading.state.value.data ?? []);

/** Memberships have no view in the stream: they are read again when a change names one, and now and then. */
const REREAD_MS = 30_000;
let readEpoch = 0;
function reread(): void {
  readEpoch = epoch.peek();
  reading.again();
}
setInterval(() => {
  if (epoch.peek() !== readEpoch) reread();
}, REREAD_MS);
onChanges((deltas) => {
  const names = deltas?.some((delta) => delta.causes?.some((cause) => cause.type === "membership"));
  if (deltas === null || names) reread();
});

let knownUnits = 0;
effect(() => {
  // New units are seldom alone: a company comes with its plants.
  const count = unitsFeed.value.rows.size;
  if (count !== knownUnits) reread();
  knownUnits = count;
});

/** The unit that is looked at, where it is one. */
export const unit = computed<Unit | null>(() => {
  const { subject } = place.value;
  if (subject === null || subject.type !== "unit") return null;
  return unitsByName.value.get(unitName(subject.unitType, subject.unitNo)) ?? null;
});

/** Opens what was last open, else the first plant, where the address names nothing. */
export function openSomething(): void {
  effect(() => {
    if (place.value.subject !== null) return;
    const subject = lastSubject();
    const isKnown = subject?.type !== "unit" || unitsByName.value.has(unitName(subject.unitType, subject.unitNo));
    const first = units.value.find((known) => known.unitType === "PP") ?? units.value[0];
    if (subject !== null && isKnown && hasUnits.value) adjust({ subject });
    else if (first !== undefined) adjust({ subject: subjectOfUnit(first) });
  });
}

export const openBranches = signal<ReadonlySet<string>>(new Set());
