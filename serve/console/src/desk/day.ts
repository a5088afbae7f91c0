// Which day is shown, and in which zone: civil days of the unit's zone, the browser's, or UTC.

import { computed } from "@preact/signals";
import { type Span, daySpan } from "../time/day";
import { dateOf, isZone } from "../time/zone";
import { plantsOf } from "../units/unit";
import { place } from "./address";
import { nowMinute } from "./clock";
import { memberships, unit, units } from "./directory";

export const BROWSER_ZONE = Intl.DateTimeFormat().resolvedOptions().timeZone;

/** The zone of the unit; of a total, the one that all its plants share, else UTC. */
export const subjectZone = computed(() => {
  const { subject } = place.value;
  const isSum = subject?.type === "total";
  const plants = isSum ? plantsOf(subject, units.value, memberships.value, nowMinute.value) : [];
  const zones = new Set(isSum ? plants.map((plant) => plant.zone) : [unit.value?.zone ?? "UTC"]);
  const [zone] = zones;
  return zones.size === 1 && zone !== undefined && isZone(zone) ? zone : "UTC";
});

/** The zone in which everything is shown. */
export const zone = computed(() => {
  const { zone: choice } = place.value;
  if (choice === "utc") return "UTC";
  return choice === "browser" ? BROWSER_ZONE : subjectZone.value;
});

export const today = computed(() => dateOf(nowMinute.value, zone.value));
export const date = computed(() => place.value.day ?? today.value);
const spanText = computed(() => {
  const span = daySpan(date.value, zone.value);
  return `${span.from} ${span.to}`;
});
/** The day shown; a new object only when it is another. */
export const span = computed<Span>(() => {
  const [from = 0, to = 0] = spanText.value.split(" ").map(Number);
  return { from, to };
});
