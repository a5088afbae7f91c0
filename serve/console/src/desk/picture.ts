// What is shown of the subject: its slots, its actual and who else says something, live from the stream or, on
// the axes of the past, from REST. Nothing is decided here: rows are shown as they were told.

import { computed, effect, signal } from "@preact/signals";
import { type Place, isTotal, subjectPath, totalOf } from "../place";
import { ask, utc, withWords } from "../read/answer";
import { type Element, type Slot, bySlot, slotOfRow, slotsOfElements } from "../read/slot";
import { identity } from "../stream/rows";
import { slotOfInterest } from "../time/day";
import { isLiveNow, place } from "./address";
import { nowMinute } from "./clock";
import { span, zone } from "./day";
import { hasUnits } from "./directory";
import { flash, keepSubscribed, subjectFeed } from "./feed";
import { following } from "./reading";

const WELL_KNOWN = ["FinalForecast", "UserForecast", "ForecastImport"];

function rangeWords(shown: Place): Record<string, string | number | null> {
  const { from, to } = span.value;
  return { from: utc(from), to: utc(to), period: shown.period };
}

/** What the stream is asked for; null while the past is shown. */
const streamPath = computed<string | null>(() => {
  const shown = place.value;
  // Before the units are known the zone is not, and with it the day.
  if (shown.subject === null || !isLiveNow.value || !hasUnits.value) return null;
  const words = new URLSearchParams();
  if (isTotal(shown)) {
    const { dimension, key } = totalOf(shown.subject);
    for (const [name, value] of [["view", "totals"], ["kind", "forecast"], ["kind", "actual"]] as const) {
      words.append(name, value);
    }
    words.append("dimension", dimension);
    words.append("key", key);
  } else if (shown.subject.type === "unit") {
    words.append("view", "latest");
    words.append("view", "actuals");
    words.append("unitType", shown.subject.unitType);
    words.append("unitNo", String(shown.subject.unitNo));
  }
  for (const [name, value] of Object.entries(rangeWords(shown))) {
    if (value !== null) words.append(name, String(value));
  }
  return `/api/v2.0/stream?${words}`;
});

/** All slots the stream told of: forecasts and actuals of every provider. */
const live = computed(() => {
  const feed = subjectFeed.value;
  const forecasts: Slot[] = [];
  const actuals: Slot[] = [];
  const isShown = feed.shown === streamPath.value;
  for (const row of isShown ? feed.rows.values() : []) {
    const slot = slotOfRow(row.key, row.value);
    if (slot !== null) (row.key.kind === "actual" ? actuals : forecasts).push(slot);
  }
  return { isShown, forecasts: forecasts.sort(bySlot), actuals: actuals.sort(bySlot) };
});

/** When the newest row that is shown was recorded, on the service's clock. */
export const newestRecorded = computed<number | null>(() => {
  const all = [...live.value.forecasts, ...live.value.actuals];
  const told = new Set(all.map((slot) => slot.recorded).filter((text) => text !== undefined));
  return told.size === 0 ? null : Math.max(...[...told].map((text) => Date.parse(text)));
});

/** What a unit's description says of one of its curves. */
interface Series {
  kind: string;
  providerKey: string;
  period: number;
}

/** What was ever said of the unit, by whom. A total has no such list: what the stream tells is all there is. */
const descriptionPath = computed<string | null>(() => {
  const { subject } = place.value;
  return subject?.type === "unit" ? `/api/v2.0/units/${subject.unitType}/${subject.unitNo}` : null;
});
const description = following(descriptionPath, async (path, abort) => {
  const answer = await ask<{ series?: Series[] }>(path, { signal: abort });
  return (answer.data.series ?? []).filter((each) => each.kind === "forecast");
});

/** Providers the stream told of, kept while one looks at the subject's past or another day. */
const seen = signal<{ subject: string; providers: string[] }>({ subject: "", providers: [] });
effect(() => {
  const subject = subjectPath(place.value.subject);
  const told = live.value.forecasts.map((slot) => slot.provider);
  const before = seen.peek().subject === subject ? seen.peek().providers : [];
  const providers = [...new Set([...before, ...told])].sort();
  if (seen.peek().subject !== subject || providers.length !== before.length) seen.value = { subject, providers };
});

const told = computed(() => {
  const described = (description.state.value.data ?? []).map((series) => series.providerKey);
  const all = [...seen.value.providers, ...described];
  return [...new Set(all)].sort();
});

export const provider = computed(() => {
  const providers = told.value;
  const first = providers.includes("FinalForecast") ? "FinalForecast" : providers[0];
  return place.value.provider ?? first ?? "FinalForecast";
});

/** Providers to choose from: those who said something, the chosen one, the well-known ones. */
export const providers = computed(() => {
  const all = [...told.value, provider.value, ...WELL_KNOWN];
  return [...new Set(all)];
});

const pastPaths = computed<string | null>(() => {
  const shown = place.value;
  if (shown.subject === null || isLiveNow.value) return null;
  const axes = { date: shown.date, known_at: shown.knownAt };
  const actualAxes = { known_at: shown.knownAt };
  const range = rangeWords(shown);
  const key = encodeURIComponent(provider.value);
  const paths: string[] = [];
  if (isTotal(shown)) {
    const total = totalOf(shown.subject);
    const door = `/api/v2.0/totals/${total.dimension}/${encodeURIComponent(total.key)}`;
    paths.push(withWords(`${door}/${key}`, { ...range, ...axes }));
    paths.push(withWords(`${door}/Meter`, { ...range, ...actualAxes, kind: "actual" }));
  } else if (shown.subject.type === "unit") {
    const { unitType, unitNo } = shown.subject;
    const own = unitType === "PP" ? null : true;
    const door = `/api/v2.0/production-forecast/${key}/${unitType}/${unitNo}/forecasts`;
    const words = { ...range, ...axes, own };
    paths.push(withWords(shown.date === null ? `${door}/latest` : `${door}/latest-by-date`, words));
    paths.push(withWords(`/api/v2.0/actuals/${unitType}/${unitNo}`, { ...range, ...actualAxes, own }));
  }
  return paths.join(" ");
});

const past = following(pastPaths, async (paths, abort) => {
  const [first = "", second = ""] = paths.split(" ");
  const [forecasts, actuals] = await Promise.all([
    ask<Element[]>(first, { signal: abort }),
    ask<Element[]>(second, { signal: abort }),
  ]);
  const slots = slotsOfElements(forecasts.data).sort(bySlot);
  const metered = slotsOfElements(actuals.data).sort(bySlot);
  return { slots, actuals: metered, epoch: forecasts.epoch, knownAt: forecasts.knownAt };
});

export interface Picture {
  slots: Slot[];
  actuals: Slot[];
  /** Slots of all providers, where the stream told of them. */
  others: Slot[];
  isLoading: boolean;
  error: string | null;
  /** The epoch that the past was read at. */
  epoch: number | null;
}

export const picture = computed<Picture>(() => {
  if (isLiveNow.value) {
    const { isShown, forecasts, actuals } = live.value;
    const slots = forecasts.filter((slot) => slot.provider === provider.value);
    const meters = new Set(actuals.map((slot) => slot.provider));
    const meter = meters.has("Meter") ? "Meter" : [...meters][0];
    const metered = actuals.filter((slot) => slot.provider === meter);
    return { slots, actuals: metered, others: forecasts, isLoading: !isShown, error: null, epoch: null };
  }
  const { data, error, isLoading } = past.state.value;
  const { slots = [], actuals = [], epoch = null } = data ?? {};
  return { slots, actuals, others: slots, isLoading, error, epoch };
});

/** Slot lengths in the picture, finest first. */
export const periods = computed(() => {
  return [...new Set(picture.value.slots.map((slot) => slot.minutes))].sort((left, right) => left - right);
});
/** The slot length of the table: the one asked for, the one there is, the one the provider always has. */
export const minutes = computed(() => {
  const described = (description.state.value.data ?? []).filter((series) => series.providerKey === provider.value);
  const usual = described.map((series) => series.period).sort((left, right) => left - right)[0];
  return place.value.period ?? periods.value[0] ?? usual ?? 15;
});

/** The start of the chosen slot: the one of the address, else the one that one most likely asks about. */
export const chosenStart = computed<number | null>(() => {
  const { slot } = place.value;
  const { from, to } = span.value;
  const given = slot === null ? null : Date.parse(slot);
  if (given !== null && given >= from && given < to) return given;
  return slotOfInterest(span.value, minutes.value, nowMinute.value, zone.value);
});
/** The start of the slot under the pointer. */
export const pointedStart = signal<number | null>(null);

/** Whether the newest group changed the forecast of a slot, and which group that was. */
export function flashOf(slot: Slot): number {
  const { names, group } = flash.value;
  const { subject } = place.value;
  if (subject === null) return 0;
  const key = { kind: "forecast" as const, provider: slot.provider, period: slot.minutes, ds: utc(slot.start) };
  if (isTotal(place.value)) return names.has(identity("totals", { ...key, ...totalOf(subject) })) ? group : 0;
  if (subject.type !== "unit") return 0;
  const { unitType, unitNo } = subject;
  return names.has(identity("latest", { ...key, unitType, unitNo })) ? group : 0;
}

export function startPicture(): void {
  keepSubscribed(streamPath);
}

