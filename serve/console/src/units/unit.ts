// Units as the service describes them, and what to call them.

import type { Subject, UnitType } from "../place";

export interface Unit {
  unitType: UnitType;
  unitNo: number;
  name: string;
  plantType?: string;
  installedPowerMw?: number;
  zone: string;
  region?: string;
}

export interface Membership {
  parentType: UnitType;
  parentNo: number;
  childType: UnitType;
  childNo: number;
  validFrom?: string;
  validTo?: string;
}

const WORDS: Record<UnitType, string> = { PP: "plant", CMP: "company", GRP: "group" };

export function typeWord(unitType: UnitType): string {
  return WORDS[unitType];
}

export function unitName(unitType: string, unitNo: number): string {
  return `${unitType}/${unitNo}`;
}

export function subjectOfUnit(unit: { unitType: UnitType; unitNo: number }): Subject {
  return { type: "unit", unitType: unit.unitType, unitNo: unit.unitNo };
}

/** Whether a membership holds at an instant: from its start, before its end. */
export function holds(membership: Membership, instant: number): boolean {
  const { validFrom, validTo } = membership;
  const hasBegun = validFrom === undefined || Date.parse(validFrom) <= instant;
  return hasBegun && (validTo === undefined || instant < Date.parse(validTo));
}

/** Units by name, as `PP/7`. */
export function byName(units: readonly Unit[]): Map<string, Unit> {
  return new Map(units.map((unit) => [unitName(unit.unitType, unit.unitNo), unit]));
}

/** The plants that belong to a subject at an instant, as memberships and master data state it. */
export function plantsOf(
  subject: Subject,
  units: readonly Unit[],
  memberships: readonly Membership[],
  instant: number,
): Unit[] {
  const plants = units.filter((unit) => unit.unitType === "PP");
  if (subject.type === "total") {
    if (subject.dimension === "all") return plants;
    const field = subject.dimension === "region" ? "region" : "plantType";
    return plants.filter((plant) => plant[field] === subject.key);
  }
  const wanted = new Set<string>();
  const open = [unitName(subject.unitType, subject.unitNo)];
  const standing = memberships.filter((membership) => holds(membership, instant));
  const seen = new Set(open);
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    for (const membership of standing) {
      if (unitName(membership.parentType, membership.parentNo) !== name) continue;
      const child = unitName(membership.childType, membership.childNo);
      if (seen.has(child)) continue;
      seen.add(child);
      if (membership.childType === "PP") wanted.add(child);
      else open.push(child);
    }
  }
  return plants.filter((plant) => wanted.has(unitName(plant.unitType, plant.unitNo)));
}
