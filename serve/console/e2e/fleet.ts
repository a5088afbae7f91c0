// A small fleet and what is said of it, by the same doors as everybody's.

import type { Service } from "./service";

export const MINUTE = 60_000;
/** Plant 7 is the one the tests look at. */
export const PLANTS = [
  [1, "Soma", "wind", "Manisa", 120],
  [2, "Karapınar", "solar", "Konya", 350],
  [3, "Deriner", "hydro", "Artvin", 670],
  [4, "Gökçedağ", "wind", "Osmaniye", 135],
  [5, "Yeniköy", "thermal", "Muğla", 420],
  [6, "Kalyon", "solar", "Konya", 100],
  [7, "Çatalca", "wind", "Istanbul", 60],
  [17, "Bandırma", "wind", "Balıkesir", 90],
] as const;

export interface Answered {
  status: number;
  data: unknown;
  message: string;
}

export async function send(base: string, method: string, path: string, body?: unknown): Promise<Answered> {
  const init: RequestInit = { method };
  if (body !== undefined) {
    init.headers = { "content-type": "application/json" };
    init.body = JSON.stringify(body);
  }
  const answer = await fetch(`${base}${path}`, init);
  const envelope = (await answer.json()) as { data?: unknown; message: string };
  return { status: answer.status, data: envelope.data, message: JSON.stringify(envelope) };
}

async function must(base: string, method: string, path: string, body?: unknown): Promise<unknown> {
  const { status, data, message } = await send(base, method, path, body);
  if (status !== 200) throw new Error(`${method} ${path}: ${status} ${message}`);
  return data;
}

/** Eight plants of two companies of one group. */
export async function found(service: Service): Promise<void> {
  const { base } = service;
  await must(base, "PUT", "/api/v2.0/units/GRP/1", { name: "Zeytin Holding" });
  await must(base, "PUT", "/api/v2.0/units/CMP/1", { name: "Anadolu Enerji" });
  await must(base, "PUT", "/api/v2.0/units/CMP/2", { name: "Ege Elektrik" });
  const memberships: object[] = [1, 2].map((company) => ({
    parentType: "GRP", parentNo: 1, childType: "CMP", childNo: company,
  }));
  for (const [unitNo, name, plantType, region, installedPowerMw] of PLANTS) {
    await must(base, "PUT", `/api/v2.0/units/PP/${unitNo}`, { name, plantType, region, installedPowerMw });
    const parentNo = unitNo <= 5 ? 1 : 2;
    memberships.push({ parentType: "CMP", parentNo, childType: "PP", childNo: unitNo });
  }
  await must(base, "PUT", "/api/v2.0/memberships", memberships);
}

/** Midnight in Istanbul, which is three hours ahead all year, `days` from today. */
export function midnight(days: number): number {
  const day = 1_440 * MINUTE;
  return Math.floor((Date.now() + 180 * MINUTE) / day) * day - 180 * MINUTE + days * day;
}

/** The date of that day, as the page's address has it. */
export function dayText(days: number): string {
  return new Date(midnight(days) + 180 * MINUTE).toISOString().slice(0, 10);
}

export interface Curve {
  unitNo: number;
  unitType?: string;
  provider?: string;
  from: number;
  /** One value a quarter hour. */
  values: (number | null)[];
  note?: string;
  validAfter?: string;
}

/** Saves quarter hours; the answer is the batch. */
export async function save(base: string, curve: Curve): Promise<string> {
  const { unitNo, unitType = "PP", provider = "FinalForecast", from, values, note, validAfter } = curve;
  const predictions = values.map((v, slot) => ({ ds: new Date(from + slot * 15 * MINUTE).toISOString(), v }));
  const body = { unitForecastList: [{ unitNo, unitType, period: 15, predictions }], note, validAfter };
  const path = `/api/v2.0/production-forecast/${provider}/${unitType}/${unitNo}/forecasts`;
  const data = (await must(base, "POST", path, body)) as { batchId: string }[];
  return data[0]?.batchId ?? "";
}

/** Meters quarter hours. */
export async function meter(base: string, unitNo: number, from: number, values: number[]): Promise<void> {
  const predictions = values.map((v, slot) => ({ ds: new Date(from + slot * 15 * MINUTE).toISOString(), v }));
  await must(base, "POST", `/api/v2.0/actuals/PP/${unitNo}`, { unitForecastList: [{ unitNo, period: 15, predictions }] });
}

/** A day of quarter hours, all alike. */
export function flat(value: number): number[] {
  return Array.from({ length: 96 }, () => value);
}

/** Forbids saves to a unit's slots. */
export async function lock(base: string, unitNo: number, from: number, to: number): Promise<void> {
  const times = { from: new Date(from).toISOString(), to: new Date(to).toISOString() };
  await must(base, "POST", "/api/v2.0/locks", { unitType: "PP", unitNo, ...times, reason: "settled" });
}
