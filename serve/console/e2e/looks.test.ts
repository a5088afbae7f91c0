// Readable in both themes, and whole at every width.
import type { Page } from "playwright-core";
import { expect } from "vitest";
import { faintTexts } from "./contrast";
import { dayText, flat, lock, meter, midnight, save } from "./fleet";
import { type Stage, scene } from "./scene";

const LEAST_CONTRAST = 4.5;

async function filled({ service }: Stage): Promise<void> {
  const { base } = service;
  await save(base, { unitNo: 7, from: midnight(1), values: flat(20), note: "a note that is long enough to need its room twice" });
  await save(base, { unitNo: 7, from: midnight(1), values: flat(25), note: "two" });
  await save(base, { unitNo: 7, provider: "UserForecast", from: midnight(1), values: flat(26) });
  await save(base, { unitNo: 6, from: midnight(1), values: flat(12.5) });
  await meter(base, 7, midnight(-1), flat(17));
  await lock(base, 7, midnight(1), midnight(1) + 3_600_000);
}

async function noFaintText(page: Page, where: string): Promise<void> {
  // Flashes fade: what is computed is the page at rest.
  await page.waitForFunction(() => document.getAnimations().every((animation) => animation.playState !== "running"));
  const { faint, count } = await faintTexts(page, LEAST_CONTRAST);
  expect(faint, where).toEqual([]);
  expect(count, where).toBeGreaterThan(50);
}

async function noSidewaysScroll(page: Page, where: string): Promise<void> {
  const widths = await page.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]);
  expect(widths[0], where).toBeLessThanOrEqual(widths[1] ?? 0);
}

/** Shows each face of the page in turn. */
async function everywhere(stage: Stage, check: (page: Page, where: string) => Promise<void>): Promise<void> {
  const { page, open, wire } = stage;
  await open(`#/PP/7?day=${dayText(1)}`);
  await page.locator("#answer-value", { hasText: "25.00 MW" }).waitFor();
  await page.locator("#answer-facts", { hasText: "two" }).waitFor();
  await check(page, "a unit");
  await page.getByRole("button", { name: "Edit" }).click();
  await page.locator("#table input").first().fill("9");
  await page.locator("#table input").nth(30).fill("18");
  await page.locator("#save").click();
  await page.locator("#outcome", { hasText: "1 refused" }).waitFor();
  await check(page, "a save with an error");
  await page.getByRole("button", { name: "Discard" }).click();
  await page.locator("#answer-facts").getByRole("button", { name: "Withdraw…" }).click();
  await page.locator("#confirm-withdraw:enabled").waitFor();
  await check(page, "the question before a withdrawal");
  await page.keyboard.press("Escape");
  await open(`#/CMP/2?day=${dayText(1)}`);
  await page.getByRole("row", { name: /7 Çatalca/ }).waitFor();
  await check(page, "a company");
  await open(`#/PP/7?day=${dayText(1)}&date=${new Date().toISOString()}`);
  await page.locator("#past-banner", { hasText: "at epoch" }).waitFor();
  await check(page, "the past");
  await page.getByRole("button", { name: "Keyboard shortcuts" }).click();
  await check(page, "the shortcuts");
  await page.keyboard.press("Escape");
  wire.cut();
  await page.locator("#old-banner").waitFor();
  await check(page, "old");
}

for (const theme of ["light", "dark"] as const) {
  scene(`text can be read in the ${theme} theme`, { theme }, async (stage) => {
    await filled(stage);
    await everywhere(stage, async (page, where) => {
      expect(await page.locator("html").getAttribute("data-theme")).toBe(theme);
      await noFaintText(page, where);
    });
  });
}

scene("the theme follows the system until somebody chooses", { theme: "dark" }, async ({ page, open }) => {
  await open("#/PP/7");
  const ground = () => page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
  const dark = await ground();
  await page.emulateMedia({ colorScheme: "light" });
  await page.locator("html[data-theme=light]").waitFor();
  expect(await ground()).not.toBe(dark);
  await page.getByRole("button", { name: /^Theme/ }).click();
  await page.locator("html[data-theme=dark]").waitFor();
  expect(await ground()).toBe(dark);
  await page.reload();
  await page.locator("html[data-theme=dark]").waitFor();
});

for (const width of [360, 1280, 2560]) {
  scene(`nothing is cut off at ${width} pixels`, { width, height: width < 500 ? 740 : 1300 }, async (stage) => {
    await filled(stage);
    await everywhere(stage, noSidewaysScroll);
  });
}

scene("on a narrow screen a plant is found as quickly", { width: 360, height: 740 }, async ({ service, page, open }) => {
  await save(service.base, { unitNo: 7, from: midnight(1), values: flat(25) });
  await open("");
  await page.getByRole("searchbox").fill("7");
  await page.keyboard.press("Enter");
  await page.getByRole("button", { name: "Tomorrow" }).click();
  const value = page.locator("#answer-value", { hasText: "25.00 MW" });
  await value.waitFor();
  const box = await value.boundingBox();
  expect(box === null ? 0 : box.y + box.height, "the answer stands on the first screen").toBeLessThanOrEqual(740);
  await page.getByRole("button", { name: "Units" }).click();
  await page.getByRole("treeitem", { name: /Deriner/ }).click();
  await page.getByRole("heading", { name: "Deriner", level: 1 }).waitFor();
});
