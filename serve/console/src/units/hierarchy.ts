// The list of units as a tree: groups over companies over plants, or regions or plant types over plants.

import { type Subject, subjectPath } from "../place";
import { type Membership, type Unit, holds, subjectOfUnit, unitName } from "./unit";

export type Grouping = "owners" | "regions" | "types";

export interface Branch {
  /** Unique in the tree: a plant of two companies stands there twice. */
  id: string;
  subject: Subject;
  label: string;
  /** Null for regions and types, which are not units. */
  unit: Unit | null;
  children: Branch[];
}

/** A branch as a line of the list. */
export interface Line {
  branch: Branch;
  level: number;
  isOpen: boolean;
}

/** The tree of all units at an instant. Every plant is somewhere; one that nobody owns stands at the end. */
export function tree(
  grouping: Grouping,
  units: readonly Unit[],
  memberships: readonly Membership[],
  instant: number,
): Branch[] {
  const plants = units.filter((unit) => unit.unitType === "PP");
  const all: Branch = {
    id: "all",
    subject: { type: "total", dimension: "all", key: "all" },
    label: "All plants",
    unit: null,
    children: [],
  };
  if (grouping === "owners") return [all, ...owners(units, memberships, instant)];
  const dimension = grouping === "regions" ? "region" : "plant_type";
  const keyOf = (plant: Unit): string | undefined => (grouping === "regions" ? plant.region : plant.plantType);
  const keys = [...new Set(plants.map(keyOf).filter((key) => key !== undefined))].sort(compareText);
  const branches = keys.map((key) => ({
    id: `${dimension}/${key}`,
    subject: { type: "total", dimension, key } as const,
    label: key,
    unit: null,
    children: plants.filter((plant) => keyOf(plant) === key).map((plant) => leaf(plant, `${dimension}/${key}`)),
  }));
  const rest = plants.filter((plant) => keyOf(plant) === undefined).map((plant) => leaf(plant, ""));
  return [all, ...branches, ...rest];
}

function owners(units: readonly Unit[], memberships: readonly Membership[], instant: number): Branch[] {
  const known = new Map(units.map((unit) => [unitName(unit.unitType, unit.unitNo), unit]));
  const children = new Map<string, Unit[]>();
  const owned = new Set<string>();
  for (const membership of memberships.filter((one) => holds(one, instant))) {
    const child = known.get(unitName(membership.childType, membership.childNo));
    const parent = unitName(membership.parentType, membership.parentNo);
    if (child === undefined || !known.has(parent)) continue;
    owned.add(unitName(child.unitType, child.unitNo));
    const siblings = children.get(parent) ?? [];
    if (!siblings.includes(child)) siblings.push(child);
    children.set(parent, siblings);
  }
  const branch = (unit: Unit, path: string): Branch => {
    const name = unitName(unit.unitType, unit.unitNo);
    const id = `${path}/${name}`;
    const below = (children.get(name) ?? []).toSorted(compareUnits);
    return { ...leaf(unit, path), id, children: below.map((child) => branch(child, id)) };
  };
  const roots = units.filter((unit) => !owned.has(unitName(unit.unitType, unit.unitNo)));
  return roots.toSorted(compareUnits).map((unit) => branch(unit, ""));
}

function leaf(unit: Unit, path: string): Branch {
  const id = `${path}/${unitName(unit.unitType, unit.unitNo)}`;
  return { id, subject: subjectOfUnit(unit), label: unit.name, unit, children: [] };
}

const RANK = { GRP: 0, CMP: 1, PP: 2 };

/** Groups before companies before plants, each by number. */
export function compareUnits(left: Unit, right: Unit): number {
  return RANK[left.unitType] - RANK[right.unitType] || left.unitNo - right.unitNo;
}

function compareText(left: string, right: string): number {
  return left.localeCompare(right, "en");
}

/** The lines of a tree in which the branches of `open` are unfolded. */
export function lines(branches: readonly Branch[], open: ReadonlySet<string>, level = 1): Line[] {
  return branches.flatMap((branch) => {
    const isOpen = open.has(branch.id);
    const below = isOpen ? lines(branch.children, open, level + 1) : [];
    return [{ branch, level, isOpen }, ...below];
  });
}

/** The branches above the first place where a subject stands, so that it can be unfolded to. */
export function above(branches: readonly Branch[], subject: Subject): string[] | null {
  for (const branch of branches) {
    if (subjectPath(branch.subject) === subjectPath(subject)) return [];
    const below = above(branch.children, subject);
    if (below !== null) return [branch.id, ...below];
  }
  return null;
}
