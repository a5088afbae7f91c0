// Finding units, and who belongs to whom.
import { describe, expect, test } from "vitest";
import type { UnitType } from "../src/place";
import { above, lines, tree } from "../src/units/hierarchy";
import { found, searchIndex } from "../src/units/search";
import { type Membership, type Unit, plantsOf, unitName } from "../src/units/unit";

const unit = (unitType: UnitType, unitNo: number, name: string, more: Partial<Unit> = {}): Unit => {
  return { unitType, unitNo, name, zone: "Europe/Istanbul", ...more };
};
const units: Unit[] = [
  unit("GRP", 1, "Zeytin Holding"),
  unit("CMP", 1, "Anadolu Enerji"),
  unit("CMP", 7, "Ege Elektrik Üretim"),
  unit("PP", 1, "Soma 7", { plantType: "wind", region: "Manisa" }),
  unit("PP", 5, "Yeniköy", { plantType: "thermal", region: "Muğla" }),
  unit("PP", 7, "Kalyon", { plantType: "solar", region: "Konya" }),
  unit("PP", 17, "Çınarcık", { plantType: "wind", region: "Konya" }),
  unit("PP", 70, "Powerplant Hill"),
  unit("PP", 71, "Işıklar"),
];
const link = (parent: string, child: string, more: Partial<Membership> = {}): Membership => {
  const [parentType, parentNo] = parent.split("/") as [UnitType, string];
  const [childType, childNo] = child.split("/") as [UnitType, string];
  return { parentType, parentNo: Number(parentNo), childType, childNo: Number(childNo), ...more };
};
const memberships = [
  link("GRP/1", "CMP/1"),
  link("GRP/1", "CMP/7"),
  link("CMP/1", "PP/1"),
  link("CMP/1", "PP/5", { validTo: "2026-06-01T00:00:00Z" }),
  link("CMP/7", "PP/5", { validFrom: "2026-06-01T00:00:00Z" }),
  link("CMP/7", "PP/7"),
];
const now = Date.parse("2026-11-24T00:00:00Z");
const names = (some: readonly Unit[]): string[] => some.map((each) => unitName(each.unitType, each.unitNo));

describe("search", () => {
  const index = searchIndex(units);
  const first = (text: string): string | undefined => names(found(index, text))[0];

  test.each(["7", "plant 7", "Plant 7", "pp 7", "PP/7", "pp7", "007", " 7 ", "#7"])("%s is plant 7", (text) => {
    expect(first(text)).toBe("PP/7");
  });

  test("the very number comes before numbers that begin like it, then names", () => {
    expect(names(found(index, "7"))).toEqual(["PP/7", "CMP/7", "PP/70", "PP/71", "PP/1"]);
  });

  test("a kind narrows", () => {
    expect(names(found(index, "company 7"))).toEqual(["CMP/7"]);
    expect(names(found(index, "group"))).toEqual(["GRP/1"]);
    expect(names(found(index, "plant hill"))).toEqual(["PP/70"]);
  });

  test("names are found without case, accents and Turkish dots", () => {
    expect(first("yenikoy")).toBe("PP/5");
    expect(first("YENİKÖY")).toBe("PP/5");
    expect(first("isiklar")).toBe("PP/71");
    expect(first("cinarcik")).toBe("PP/17");
    expect(first("elektrik uretim")).toBe("CMP/7");
  });

  test("regions and plant types are words, too; every word must fit", () => {
    expect(names(found(index, "konya wind"))).toEqual(["PP/17"]);
    expect(found(index, "kalyon wind")).toEqual([]);
    expect(found(index, "  ")).toEqual([]);
  });
});

describe("the tree", () => {
  test("groups over companies over plants, as memberships stand now", () => {
    const branches = tree("owners", units, memberships, now);
    const open = new Set(["/GRP/1", "/GRP/1/CMP/7"]);
    const seen = lines(branches, open).map((line) => `${line.level} ${line.branch.label}`);
    expect(seen).toEqual([
      "1 All plants",
      "1 Zeytin Holding",
      "2 Anadolu Enerji",
      "2 Ege Elektrik Üretim",
      "3 Yeniköy",
      "3 Kalyon",
      "1 Çınarcık",
      "1 Powerplant Hill",
      "1 Işıklar",
    ]);
  });

  test("before the sale the plant stood with the seller", () => {
    const branches = tree("owners", units, memberships, Date.parse("2026-05-31T23:59:59Z"));
    expect(above(branches, { type: "unit", unitType: "PP", unitNo: 5 })).toEqual(["/GRP/1", "/GRP/1/CMP/1"]);
  });

  test("a membership that is stated twice makes one line", () => {
    const twice = [...memberships, link("CMP/7", "PP/7", { validFrom: "2026-01-01T00:00:00Z" })];
    const company = tree("owners", units, twice, now)[1]?.children[1];
    expect(company?.children.map((child) => child.label)).toEqual(["Yeniköy", "Kalyon"]);
  });

  test("regions and types hold their plants; one without stands at the end", () => {
    const regions = tree("regions", units, memberships, now);
    expect(regions.map((branch) => branch.label)).toEqual([
      "All plants", "Konya", "Manisa", "Muğla", "Powerplant Hill", "Işıklar",
    ]);
    expect(regions[1]?.children.map((child) => child.label)).toEqual(["Kalyon", "Çınarcık"]);
    expect(above(regions, { type: "unit", unitType: "PP", unitNo: 7 })).toEqual(["region/Konya"]);
  });
});

describe("members of a total", () => {
  const plants = (unitType: UnitType, unitNo: number, at = now): string[] => {
    return names(plantsOf({ type: "unit", unitType, unitNo }, units, memberships, at));
  };

  test("companies and groups, at an instant", () => {
    expect(plants("CMP", 7)).toEqual(["PP/5", "PP/7"]);
    expect(plants("CMP", 1)).toEqual(["PP/1"]);
    expect(plants("CMP", 1, Date.parse("2026-01-01T00:00:00Z"))).toEqual(["PP/1", "PP/5"]);
    expect(plants("GRP", 1)).toEqual(["PP/1", "PP/5", "PP/7"]);
  });

  test("at the instant of a sale a plant is the buyer's alone", () => {
    const sale = Date.parse("2026-06-01T00:00:00Z");
    expect(plants("CMP", 1, sale)).toEqual(["PP/1"]);
    expect(plants("CMP", 7, sale)).toEqual(["PP/5", "PP/7"]);
    expect(plants("CMP", 1, sale - 1)).toEqual(["PP/1", "PP/5"]);
  });

  test("a plant that is stated twice, or whose owners own each other, counts once", () => {
    const twice = [...memberships, link("CMP/7", "PP/7", { validFrom: "2026-01-01T00:00:00Z" }), link("CMP/7", "GRP/1")];
    expect(names(plantsOf({ type: "unit", unitType: "GRP", unitNo: 1 }, units, twice, now))).toEqual(["PP/1", "PP/5", "PP/7"]);
  });

  test("regions, plant types and all", () => {
    const total = (dimension: "region" | "plant_type" | "all", key: string): string[] => {
      return names(plantsOf({ type: "total", dimension, key }, units, memberships, now));
    };
    expect(total("region", "Konya")).toEqual(["PP/7", "PP/17"]);
    expect(total("plant_type", "wind")).toEqual(["PP/1", "PP/17"]);
    expect(total("all", "all")).toHaveLength(6);
  });
});
