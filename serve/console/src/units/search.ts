// Finding a unit by what one remembers of it: its number, its kind and number, or a part of its name.

import type { UnitType } from "../place";
import type { Unit } from "./unit";

const KINDS: Record<string, UnitType> = {
  pp: "PP",
  plant: "PP",
  plants: "PP",
  santral: "PP",
  cmp: "CMP",
  company: "CMP",
  companies: "CMP",
  grp: "GRP",
  group: "GRP",
  groups: "GRP",
};

const TYPE_RANK: Record<UnitType, number> = { PP: 0, CMP: 1, GRP: 2 };

/** Letters without case, accents and the dots that Turkish takes seriously. */
export function plain(text: string): string {
  const bare = text.replace(/[ıİ]/g, "i").normalize("NFD").replace(/\p{M}/gu, "");
  return bare.toLowerCase().replace(/ß/g, "ss").replace(/ø/g, "o").replace(/ł/g, "l");
}

/** Units with what they are found by, made once a list. */
export interface SearchIndex {
  entries: { unit: Unit; words: string }[];
}

export function searchIndex(units: readonly Unit[]): SearchIndex {
  const words = (unit: Unit): string => {
    return plain([unit.name, unit.region, unit.plantType].filter((word) => word !== undefined).join(" "));
  };
  return { entries: units.map((unit) => ({ unit, words: words(unit) })) };
}

/** The units that fit every word of `text`, best first. */
export function found(index: SearchIndex, text: string): Unit[] {
  const all = plain(text).split(/[\s/,#.-]+/).filter((word) => word !== "");
  // `pp7` is `pp 7`.
  const tokens = all.flatMap((word) => {
    const joined = /^([a-z]+)(\d+)$/.exec(word);
    return joined !== null && KINDS[joined[1] as string] !== undefined ? joined.slice(1) : [word];
  });
  if (tokens.length === 0) return [];
  const kind = tokens.map((token) => KINDS[token]).find((type) => type !== undefined);
  const asKind = scored(index, tokens.filter((token) => KINDS[token] === undefined), kind);
  // `plant` alone may be a part of names, too.
  const asName = kind === undefined ? [] : scored(index, tokens, undefined);
  const best = new Map<Unit, number>();
  for (const { unit, score } of [...asKind, ...asName]) {
    best.set(unit, Math.min(score, best.get(unit) ?? Number.POSITIVE_INFINITY));
  }
  const order = [...best].sort(([left, leftScore], [right, rightScore]) => {
    const byType = TYPE_RANK[left.unitType] - TYPE_RANK[right.unitType];
    return leftScore - rightScore || byType || left.unitNo - right.unitNo;
  });
  return order.map(([unit]) => unit);
}

function scored(index: SearchIndex, tokens: string[], kind: UnitType | undefined): { unit: Unit; score: number }[] {
  const fitting: { unit: Unit; score: number }[] = [];
  for (const { unit, words } of index.entries) {
    if (kind !== undefined && unit.unitType !== kind) continue;
    const scores = tokens.map((token) => fit(unit, words, token));
    const worst = Math.max(0, ...scores);
    if (Number.isFinite(worst)) fitting.push({ unit, score: worst });
  }
  return fitting;
}

/** How badly a word fits: 0 is the very number, infinite is not at all. */
function fit(unit: Unit, words: string, token: string): number {
  if (/^\d+$/.test(token)) {
    const number = String(unit.unitNo);
    if (number === String(Number(token))) return 0;
    if (number.startsWith(token)) return 3;
  }
  if (words === token) return 1;
  if (words.startsWith(token)) return 2;
  if (words.includes(` ${token}`)) return 4;
  return words.includes(token) ? 5 : Number.POSITIVE_INFINITY;
}
