// What changes while one looks: saves appear without a reload, a cut is said and mended, a killed service comes back.
import type { Page } from "playwright-core";
import { expect } from "vitest";
import { dayText, flat, midnight, save, send } from "./fleet";
import { scene } from "./scene";

const value = (page: Page, text: string) => page.locator("#answer-value", { hasText: text }).waitFor();

/** Puts a mark on the page that a reload would wipe off. */
async function mark(page: Page): Promise<() => Promise<boolean>> {
  await page.evaluate(() => document.body.setAttribute("data-mark", "here"));
  return async () => (await page.locator("body[data-mark=here]").count()) === 1;
}

scene("a save appears without a reload, and flashes", {}, async ({ service, page, open }) => {
  await save(service.base, { unitNo: 7, from: midnight(1), values: flat(20), note: "one" });
  await open(`#/PP/7?day=${dayText(1)}`);
  await value(page, "20.00 MW");
  const isUnloaded = await mark(page);
  await save(service.base, { unitNo: 7, from: midnight(1), values: flat(21.5), note: "two" });
  await value(page, "21.50 MW");
  await page.locator("#answer-facts", { hasText: "two" }).waitFor();
  expect(await page.locator("#table td[class*=flash-]").count()).toBe(96);
  await page.getByRole("region", { name: /^Revisions/ }).getByRole("row", { name: /local\W*one\b/ }).waitFor();
  await page.getByRole("region", { name: /^Evolution/ }).getByRole("row", { name: /21\.50/ }).waitFor();
  expect(await isUnloaded()).toBe(true);
});

scene("a total, a new unit and a change of owner appear without a reload", {}, async ({ service, page, open }) => {
  await save(service.base, { unitNo: 6, from: midnight(1), values: flat(10) });
  await open(`#/CMP/2?day=${dayText(1)}`);
  await value(page, "10.00 MW");
  const isUnloaded = await mark(page);
  await save(service.base, { unitNo: 7, from: midnight(1), values: flat(5.25) });
  await value(page, "15.25 MW");
  await send(service.base, "PUT", "/api/v2.0/units/PP/18", { name: "Yeni Santral" });
  const link = { parentType: "CMP", parentNo: 2, childType: "PP", childNo: 18 };
  await send(service.base, "PUT", "/api/v2.0/memberships", link);
  await save(service.base, { unitNo: 18, from: midnight(1), values: flat(1) });
  await value(page, "16.25 MW");
  await page.locator("#answer-facts", { hasText: "3 of 4 members" }).waitFor();
  await page.getByRole("treeitem", { name: /Yeni Santral/ }).first().waitFor();
  await page.getByRole("region", { name: /^Members/ }).getByRole("row", { name: /18 Yeni Santral.*1\.00/ }).waitFor();
  expect(await isUnloaded()).toBe(true);
});

scene("a cut is said, and mended without a reload", {}, async ({ service, wire, page, open }) => {
  await save(service.base, { unitNo: 7, from: midnight(1), values: flat(20) });
  await open(`#/PP/7?day=${dayText(1)}`);
  await value(page, "20.00 MW");
  const isUnloaded = await mark(page);
  const resumed: (string | undefined)[] = [];
  page.on("request", (request) => {
    if (request.url().includes("view=latest")) resumed.push(request.headers()["last-event-id"]);
  });
  wire.cut();
  await page.locator("#old-banner", { hasText: "may be old" }).waitFor();
  await page.locator("#standing-state.is-old").waitFor();
  expect(await page.locator("#answer-value").innerText(), "what was known stays readable").toContain("20.00");
  await save(service.base, { unitNo: 7, from: midnight(1), values: flat(22) });
  wire.mend();
  await value(page, "22.00 MW");
  await page.locator("#standing-state.is-live").waitFor();
  await page.locator("#old-banner").waitFor({ state: "detached" });
  expect(resumed.at(-1), "it resumed where it was").toMatch(/^[0-9a-f-]{36}\.\d+$/);
  expect(await isUnloaded()).toBe(true);
});

scene("a wire that falls silent is noticed", {}, async ({ service, wire, page, open }) => {
  await save(service.base, { unitNo: 7, from: midnight(1), values: flat(20) });
  await open(`#/PP/7?day=${dayText(1)}`);
  await value(page, "20.00 MW");
  wire.freeze();
  await page.locator("#old-banner").waitFor();
  await save(service.base, { unitNo: 7, from: midnight(1), values: flat(23) });
  wire.mend();
  await value(page, "23.00 MW");
  await page.locator("#old-banner").waitFor({ state: "detached" });
});

scene("a killed service comes back, and the page with it", {}, async ({ service, page, open }) => {
  const batch = await save(service.base, { unitNo: 7, from: midnight(1), values: flat(20), note: "kept" });
  await open(`#/PP/7?day=${dayText(1)}`);
  await value(page, "20.00 MW");
  const isUnloaded = await mark(page);
  await service.kill();
  await page.locator("#old-banner").waitFor();
  await service.start();
  await page.locator("#standing-state.is-live").waitFor();
  await page.locator("#old-banner").waitFor({ state: "detached" });
  await value(page, "20.00 MW");
  await page.locator("#answer-facts", { hasText: batch.slice(-8) }).waitFor();
  await save(service.base, { unitNo: 7, from: midnight(1), values: flat(24.5) });
  await value(page, "24.50 MW");
  expect(await isUnloaded()).toBe(true);
});
