// Where the page is: everything one chose, and its form in the address, so that a link shows another the same.

import { isDate } from "./time/zone";

export const DIMENSIONS = ["company", "group", "region", "plant_type", "all"] as const;
export type Dimension = (typeof DIMENSIONS)[number];
export const UNIT_TYPES = ["PP", "CMP", "GRP"] as const;
export type UnitType = (typeof UNIT_TYPES)[number];

/** What is looked at. A company or group is a unit; its total is shown unless its own forecasts are wanted. */
export type Subject =
  | { type: "unit"; unitType: UnitType; unitNo: number }
  | { type: "total"; dimension: "region" | "plant_type" | "all"; key: string };

export type ZoneChoice = "unit" | "browser" | "utc";

export interface Place {
  subject: Subject | null;
  /** A civil date; null is today, whichever day that is. */
  day: string | null;
  provider: string | null;
  /** Minutes; null is as saved. */
  period: number | null;
  /** What counted then (RFC 3339); null is now. */
  date: string | null;
  /** What was known then; null is everything. */
  knownAt: string | null;
  zone: ZoneChoice;
  /** Start of the chosen slot (RFC 3339). */
  slot: string | null;
  /** A company's or group's own forecasts instead of the sum of its plants. */
  own: boolean;
}

export const NOWHERE: Place = {
  subject: null,
  day: null,
  provider: null,
  period: null,
  date: null,
  knownAt: null,
  zone: "unit",
  slot: null,
  own: false,
};

/** Whether it shows what counts now; otherwise the past, which nothing changes live. */
export function isLive(place: Place): boolean {
  return place.date === null && place.knownAt === null;
}

/** Whether sums of plants are shown. */
export function isTotal(place: Place): boolean {
  const { subject } = place;
  return subject !== null && (subject.type === "total" || (subject.unitType !== "PP" && !place.own));
}

export function sameSubject(left: Subject | null, right: Subject | null): boolean {
  return subjectPath(left) === subjectPath(right);
}

export function subjectPath(subject: Subject | null): string {
  if (subject === null) return "";
  if (subject.type === "unit") return `${subject.unitType}/${subject.unitNo}`;
  return `total/${subject.dimension}/${encodeURIComponent(subject.key)}`;
}

/** The dimension and key under which the stream and the totals door know a subject. */
export function totalOf(subject: Subject): { dimension: Dimension; key: string } {
  if (subject.type === "total") return subject;
  const dimension = subject.unitType === "GRP" ? "group" : "company";
  return { dimension, key: String(subject.unitNo) };
}

/** `#/PP/7?day=2026-11-25&provider=FinalForecast`. */
export function hashOf(place: Place): string {
  const words = new URLSearchParams();
  const put = (name: string, value: string | null): void => {
    if (value !== null) words.set(name, value);
  };
  put("day", place.day);
  put("provider", place.provider);
  put("period", place.period === null ? null : String(place.period));
  put("date", place.date);
  put("known_at", place.knownAt);
  put("zone", place.zone === "unit" ? null : place.zone);
  put("slot", place.slot);
  put("own", place.own ? "true" : null);
  const text = words.toString().replaceAll("%3A", ":");
  return `#/${subjectPath(place.subject)}${text === "" ? "" : `?${text}`}`;
}

/** The place of an address; what cannot be read is as if it were not there. */
export function placeOf(hash: string): Place {
  const text = hash.replace(/^#?\/?/, "");
  const mark = text.indexOf("?");
  const path = mark < 0 ? text : text.slice(0, mark);
  const words = new URLSearchParams(mark < 0 ? "" : text.slice(mark + 1));
  const day = words.get("day");
  const period = Number(words.get("period"));
  const zone = words.get("zone");
  return {
    subject: subjectOf(path),
    day: day !== null && isDate(day) ? day : null,
    provider: words.get("provider") || null,
    period: Number.isInteger(period) && period > 0 && 1_440 % period === 0 ? period : null,
    date: instantText(words.get("date")),
    knownAt: instantText(words.get("known_at")),
    zone: zone === "browser" || zone === "utc" ? zone : "unit",
    slot: instantText(words.get("slot")),
    own: words.get("own") === "true",
  };
}

function subjectOf(path: string): Subject | null {
  const [head = "", second = "", third = ""] = path.split("/");
  const unitType = UNIT_TYPES.find((known) => known === head.toUpperCase());
  if (unitType !== undefined) {
    return /^[1-9]\d{0,15}$/.test(second) ? { type: "unit", unitType, unitNo: Number(second) } : null;
  }
  if (head !== "total" || third === "") return null;
  let key: string;
  try {
    key = decodeURIComponent(third);
  } catch {
    return null;
  }
  if (second === "company" || second === "group") {
    return subjectOf(`${second === "group" ? "GRP" : "CMP"}/${key}`);
  }
  const dimension = (["region", "plant_type", "all"] as const).find((known) => known === second);
  return dimension === undefined ? null : { type: "total", dimension, key };
}

function instantText(text: string | null): string | null {
  // A `+` that was not escaped arrives as a blank.
  const mended = text?.replace(/ (\d{2}:\d{2})$/, "+$1") ?? null;
  const isInstant = mended !== null && /(Z|[+-]\d{2}:\d{2})$/.test(mended) && Number.isFinite(Date.parse(mended));
  return isInstant ? mended : null;
}
