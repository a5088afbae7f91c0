// The address of the page holds everything one chose.
import { describe, expect, test } from "vitest";
import { NOWHERE, type Place, hashOf, isLive, isTotal, placeOf, totalOf } from "../src/place";

const plant = { type: "unit", unitType: "PP", unitNo: 7 } as const;

describe("the place", () => {
  test("is read from a link", () => {
    expect(placeOf("#/PP/7?day=2026-11-25&provider=FinalForecast")).toEqual({
      ...NOWHERE,
      subject: plant,
      day: "2026-11-25",
      provider: "FinalForecast",
    });
  });

  test("comes back from its own link", () => {
    const places: Place[] = [
      NOWHERE,
      { ...NOWHERE, subject: plant },
      {
        subject: { type: "unit", unitType: "GRP", unitNo: 2 },
        day: "2026-03-29",
        provider: "Wetter & Söhne/50%",
        period: 60,
        date: "2026-03-28T09:00:00Z",
        knownAt: "2026-03-28T08:00:00.123456Z",
        zone: "browser",
        slot: "2026-03-29T10:00:00Z",
        own: true,
      },
      { ...NOWHERE, subject: { type: "total", dimension: "region", key: "Muğla / Süd?" }, zone: "utc" },
      { ...NOWHERE, subject: { type: "total", dimension: "all", key: "all" } },
    ];
    for (const place of places) expect(placeOf(hashOf(place))).toEqual(place);
  });

  test("is short where nothing was chosen", () => {
    expect(hashOf({ ...NOWHERE, subject: plant })).toBe("#/PP/7");
    expect(hashOf({ ...NOWHERE, subject: plant, slot: "2026-11-25T09:00:00Z" })).toBe("#/PP/7?slot=2026-11-25T09:00:00Z");
  });

  test("passes over what cannot be read", () => {
    const broken = ["", "#", "#/PP/0", "#/PP/x", "#/XX/7", "#/total/region/", "#/total/region/%E0%A4%A", "#/total/moon/1"];
    for (const hash of broken) expect(placeOf(hash).subject, hash).toBeNull();
    const half = placeOf("#/pp/7?day=2026-02-30&period=7&date=yesterday&known_at=2026-01-01T00:00:00&zone=mars&slot=x");
    expect(half).toEqual({ ...NOWHERE, subject: plant });
  });

  test("takes an offset whose plus was read as a blank", () => {
    expect(placeOf("#/PP/7?date=2026-11-24T12:00:00+03:00").date).toBe("2026-11-24T12:00:00+03:00");
  });

  test("knows sums and the past", () => {
    const company = { type: "unit", unitType: "CMP", unitNo: 3 } as const;
    expect(isTotal({ ...NOWHERE, subject: plant })).toBe(false);
    expect(isTotal({ ...NOWHERE, subject: company })).toBe(true);
    expect(isTotal({ ...NOWHERE, subject: company, own: true })).toBe(false);
    expect(totalOf(company)).toEqual({ dimension: "company", key: "3" });
    expect(placeOf("#/total/company/3").subject).toEqual(company);
    expect(isLive(NOWHERE)).toBe(true);
    expect(isLive({ ...NOWHERE, knownAt: "2026-01-01T00:00:00Z" })).toBe(false);
  });
});
