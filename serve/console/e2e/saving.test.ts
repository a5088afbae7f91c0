// Saving by hand, what is refused slot by slot, and taking a batch back.
import type { Page } from "playwright-core";
import { expect } from "vitest";
import { MINUTE, dayText, flat, lock, midnight, save, send } from "./fleet";
import { scene } from "./scene";

const tomorrow = (): string => `#/PP/7?day=${dayText(1)}`;
const slot = (hour: number, quarter = 0): number => midnight(1) + (hour * 60 + quarter * 15) * MINUTE;
const field = (page: Page, start: number) => page.locator(`#table td[data-start="${start}"] input`);
const cell = (page: Page, start: number) => page.locator(`#table td[data-start="${start}"]`);

scene("a save with errors says at each slot what is wrong, and keeps the rest", {}, async ({ service, page, open }) => {
  await save(service.base, { unitNo: 7, from: midnight(1), values: flat(20) });
  await lock(service.base, 7, slot(15), slot(16));
  await open(tomorrow());
  await page.getByRole("button", { name: "Edit" }).click();
  await field(page, slot(12)).fill("31,5");
  await field(page, slot(13)).fill("9999");
  await field(page, slot(15)).fill("8");
  await page.locator("#note").fill("by hand");
  await page.locator("#save", { hasText: "Save 3 slots" }).click();
  await page.locator("#outcome", { hasText: "1 saved, 2 refused" }).waitFor();
  expect(await cell(page, slot(13)).locator(".verdict").innerText()).toBe("UPPER_LIMIT");
  expect(await cell(page, slot(15)).locator(".verdict").innerText()).toBe("LOCKED");
  expect(await field(page, slot(13)).getAttribute("aria-invalid")).toBe("true");
  expect(await field(page, slot(13)).inputValue(), "what was refused can be mended").toBe("9999");
  expect(await cell(page, slot(12)).locator(".verdict").count()).toBe(0);
  await page.locator("#answer-value", { hasText: "8.00 MW" }).waitFor({ state: "detached" });

  await field(page, slot(13)).fill("32");
  await field(page, slot(15)).fill("20.00");
  await page.locator("#save", { hasText: "Save 1 slot" }).click();
  await page.locator("#outcome", { hasText: "1 saved" }).waitFor();
  await page.getByRole("button", { name: "Done" }).click();
  expect(await cell(page, slot(12)).innerText()).toBe("31.50");
  expect(await cell(page, slot(13)).innerText()).toBe("32.00");
  expect(await cell(page, slot(15)).innerText()).toBe("20.00");
  await cell(page, slot(12)).click();
  await page.locator("#answer-facts", { hasText: "by hand" }).waitFor();
});

scene("a pasted block fills the slots, an empty one withdraws", {}, async ({ service, page, open }) => {
  await save(service.base, { unitNo: 7, from: midnight(1), values: flat(20) });
  await open(tomorrow());
  await page.getByRole("button", { name: "Edit" }).click();
  await field(page, slot(6)).evaluate((input) => {
    const clipboardData = new DataTransfer();
    clipboardData.setData("text", "1.5\t2.5\n3.5\t4.5\nfour\n");
    input.dispatchEvent(new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true }));
  });
  expect(await cell(page, slot(7)).locator(".verdict").innerText(), "what is no number is not sent").toBe("NO_NUMBER");
  expect(await page.locator("#save").isDisabled()).toBe(true);
  await field(page, slot(7)).fill("");
  await page.locator("#save", { hasText: "Save 5 slots" }).click();
  await page.locator("#outcome", { hasText: "5 saved" }).waitFor();
  await page.getByRole("button", { name: "Done" }).click();
  const shown = [0, 1, 2, 3].map((quarter) => cell(page, slot(6, quarter)).innerText());
  expect(await Promise.all(shown)).toEqual(["1.50", "2.50", "3.50", "4.50"]);
  expect(await cell(page, slot(7)).innerText()).toBe("·");
});

scene("a refusal as a whole is said", {}, async ({ service, page, open }) => {
  await save(service.base, { unitNo: 7, from: midnight(1), values: flat(20) });
  await open(tomorrow());
  await page.getByRole("button", { name: "Edit" }).click();
  await page.route("**/forecasts", (route) => route.fulfill({
    status: 503,
    json: { statusCode: 503, isError: true, message: "the disk is full", additionalData: { code: "DISK_FULL" } },
  }));
  await field(page, slot(12)).fill("25");
  await page.locator("#save").click();
  await page.locator("#outcome", { hasText: "Nothing was saved: the disk is full" }).waitFor();
  expect(await field(page, slot(12)).inputValue(), "nothing that was typed is lost").toBe("25");
});

scene("a batch is withdrawn after it was confirmed, and the value before returns", {}, async ({ service, page, open }) => {
  await save(service.base, { unitNo: 7, from: midnight(1), values: flat(20), note: "good" });
  const batch = await save(service.base, { unitNo: 7, from: midnight(1), values: flat(55), note: "mistake" });
  await open(tomorrow());
  await page.locator("#answer-value", { hasText: "55.00 MW" }).waitFor();
  await page.locator("#answer-facts").getByRole("button", { name: "Withdraw…" }).click();
  const dialog = page.getByRole("dialog", { name: "Withdraw a batch" });
  await dialog.getByText("mistake").waitFor();
  await dialog.getByRole("button", { name: "Keep it" }).click();
  await dialog.waitFor({ state: "detached" });
  const before = await send(service.base, "GET", `/api/v2.0/batches/${batch}`);
  expect(before.message, "nothing happened unasked").not.toContain("withdrawnAt");

  await page.locator("#answer-facts").getByRole("button", { name: "Withdraw…" }).click();
  await dialog.getByRole("button", { name: "Withdraw it" }).click();
  await dialog.getByText("Withdrawn.").waitFor();
  await dialog.getByRole("button", { name: "Close" }).last().click();
  await page.locator("#answer-value", { hasText: "20.00 MW" }).waitFor();
  await page.getByRole("region", { name: /^Revisions/ }).getByRole("row", { name: /mistake.*withdrawn/ }).waitFor();
});

scene("a withdrawal that is refused lists the slots that stand against it", { roles: [] }, async ({ service, page, open }) => {
  const batch = await save(service.base, { unitNo: 7, from: midnight(1), values: flat(20), note: "settled" });
  await lock(service.base, 7, slot(12), slot(12, 2));
  await open(tomorrow());
  await page.locator("#answer-facts", { hasText: batch.slice(-8) }).getByRole("button", { name: "Withdraw…" }).click();
  const dialog = page.getByRole("dialog", { name: "Withdraw a batch" });
  await dialog.getByRole("button", { name: "Withdraw it" }).click();
  await dialog.getByText("Not withdrawn").waitFor();
  expect(await dialog.locator(".refusals li").count()).toBe(2);
  expect(await dialog.locator(".refusals").innerText()).toContain("LOCKED");
});
