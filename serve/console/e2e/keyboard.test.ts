// Everything by keyboard alone: nothing in this file touches a pointer.
import type { Page } from "playwright-core";
import { expect } from "vitest";
import { MINUTE, flat, midnight, save, send } from "./fleet";
import { scene } from "./scene";

/** Presses Tab until the focus is on what fits `selector`. */
async function tabTo(page: Page, selector: string): Promise<void> {
  for (let presses = 0; presses < 80; presses += 1) {
    if (await page.evaluate((wanted) => document.activeElement?.matches(wanted) ?? false, selector)) return;
    await page.keyboard.press("Tab");
  }
  throw new Error(`Tab never comes to ${selector}`);
}

const focused = (page: Page): Promise<string> => page.evaluate(() => document.activeElement?.getAttribute("aria-label") ?? "");

scene("a unit is found, its day walked, a value saved and taken back", {}, async ({ service, page, open }) => {
  const values = flat(20).with(48, 33).with(49, 34).with(52, 35);
  await save(service.base, { unitNo: 7, from: midnight(1), values });
  await open("");
  await page.keyboard.press("/");
  await page.keyboard.type("plant 7");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Çatalca", level: 1 }).waitFor();
  await page.keyboard.press("n");
  await page.locator("#answer-value", { hasText: "33.00 MW" }).waitFor();

  await page.keyboard.press("s");
  expect(await focused(page)).toContain("12:00–12:15: 33.00 MW");
  await page.keyboard.press("ArrowRight");
  await page.locator("#answer-value", { hasText: "34.00 MW" }).waitFor();
  await page.keyboard.press("ArrowLeft");
  await page.keyboard.press("ArrowDown");
  await page.locator("#answer-value", { hasText: "35.00 MW" }).waitFor();
  expect(await focused(page)).toContain("13:00–13:15: 35.00 MW");
  await page.keyboard.press("ArrowUp");

  await page.keyboard.press("c");
  await page.keyboard.press("ArrowRight");
  await page.locator("#answer-value", { hasText: "34.00 MW" }).waitFor();
  await page.keyboard.press("ArrowLeft");
  await page.locator("#answer-value", { hasText: "33.00 MW" }).waitFor();

  await page.keyboard.press("e");
  await page.locator("#table input").first().waitFor();
  await page.keyboard.press("s");
  expect(await focused(page)).toBe("12:00–12:15, MW");
  await page.keyboard.type("41.5");
  await tabTo(page, "#save");
  await page.keyboard.press("Enter");
  await page.locator("#outcome", { hasText: "1 saved" }).waitFor();
  await page.keyboard.press("Escape");
  await page.locator("#answer-value", { hasText: "41.50 MW" }).waitFor();

  await tabTo(page, "#answer-facts button");
  await page.keyboard.press("Enter");
  await page.locator("#confirm-withdraw:enabled").waitFor();
  await tabTo(page, "#confirm-withdraw");
  await page.keyboard.press("Enter");
  await page.getByText("Withdrawn.", { exact: true }).waitFor();
  await page.keyboard.press("Escape");
  await page.locator("#answer-value", { hasText: "33.00 MW" }).waitFor();
  const noon = midnight(1) + 720 * MINUTE;
  const read = `/api/v2.0/production-forecast/FinalForecast/PP/7/forecasts/latest?from=${new Date(noon).toISOString()}&to=${new Date(noon + MINUTE).toISOString()}`;
  expect((await send(service.base, "GET", read)).message).toContain('"v":33');
});

scene("the list is walked and folded with the arrow keys", {}, async ({ page, open }) => {
  await open("");
  await page.keyboard.press("/");
  await page.keyboard.press("ArrowDown");
  const name = () => page.evaluate(() => (document.activeElement as HTMLElement).innerText.replace(/\s+/g, " "));
  expect(await name()).toContain("All plants");
  await page.keyboard.press("ArrowDown");
  expect(await name()).toContain("Zeytin Holding");
  await page.keyboard.press("ArrowLeft");
  expect(await page.getByRole("treeitem", { name: /Soma/ }).count()).toBe(0);
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("ArrowRight");
  expect(await name()).toContain("Anadolu Enerji");
  await page.keyboard.press("ArrowLeft");
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("ArrowRight");
  expect(await name()).toContain("Soma");
  await page.keyboard.press("ArrowLeft");
  expect(await name()).toContain("Anadolu Enerji");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Anadolu Enerji", level: 1 }).waitFor();
});

scene("the shortcuts are listed, and every focus can be seen", {}, async ({ page, open }) => {
  await open("#/PP/7");
  await page.keyboard.press("?");
  const help = page.getByRole("dialog", { name: "Keyboard" });
  await help.getByText("search a unit").waitFor();
  await page.keyboard.press("Escape");
  await help.waitFor({ state: "detached" });
  const unseen: string[] = [];
  let seen = 0;
  for (let presses = 0; presses < 60; presses += 1) {
    await page.keyboard.press("Tab");
    const focus = await page.evaluate(() => {
      const element = document.activeElement;
      if (element === null || element === document.body) return null;
      const { outlineStyle, outlineWidth } = getComputedStyle(element);
      const isShown = outlineStyle !== "none" && Number.parseFloat(outlineWidth) >= 1;
      return { isShown, name: element.outerHTML.slice(0, 120) };
    });
    if (focus === null) continue;
    seen += 1;
    if (!focus.isShown) unseen.push(focus.name);
  }
  expect(unseen).toEqual([]);
  expect(seen).toBeGreaterThan(15);
});
