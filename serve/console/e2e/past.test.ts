// Both axes of time: what counted then, and what was known then; and that nobody takes it for now.
import { expect } from "vitest";
import { MINUTE, dayText, flat, midnight, save } from "./fleet";
import { scene } from "./scene";

scene("as of shows what counted then, and says that it is the past", {}, async ({ service, page, open }) => {
  const issued = new Date(Date.now() - 180 * MINUTE).toISOString();
  await save(service.base, { unitNo: 7, from: midnight(1), values: flat(20), note: "early", validAfter: issued });
  await save(service.base, { unitNo: 7, from: midnight(1), values: flat(30), note: "late" });
  await open(`#/PP/7?day=${dayText(1)}`);
  await page.locator("#answer-value", { hasText: "30.00 MW" }).waitFor();
  await page.getByRole("button", { name: "Look back" }).click();
  await page.locator("label", { hasText: "As of" }).getByRole("button", { name: "1 h ago" }).click();
  await page.locator("#answer-value", { hasText: "20.00 MW" }).waitFor();
  await page.locator("#past-banner", { hasText: "You are looking at the past." }).waitFor();
  await page.locator("#answer-facts", { hasText: "early" }).waitFor();
  expect(page.url()).toContain("date=");
  expect(await page.getByRole("button", { name: "Edit" }).count(), "the past is not edited").toBe(0);
  expect(await page.locator(".legend").innerText()).not.toContain("2 revisions");

  // A save now changes nothing of then.
  await save(service.base, { unitNo: 7, from: midnight(1), values: flat(40) });
  await page.locator("#past-banner").getByRole("button", { name: "Back to live" }).click();
  await page.locator("#answer-value", { hasText: "40.00 MW" }).waitFor();
  await page.locator("#past-banner").waitFor({ state: "detached" });
  await page.goBack();
  await page.locator("#answer-value", { hasText: "20.00 MW" }).waitFor();
});

scene("known at shows what had been recorded by then", {}, async ({ service, page, open }) => {
  const issued = new Date(Date.now() - 180 * MINUTE).toISOString();
  const answer = await save(service.base, { unitNo: 7, from: midnight(1), values: flat(20), note: "known" });
  expect(answer).not.toBe("");
  const batch = await fetch(`${service.base}/api/v2.0/batches/${answer}`).then((each) => each.json());
  const knownAt = (batch as { data: { recorded: string } }).data.recorded;
  // Issued before, recorded after: it counted three hours ago, but nobody knew.
  await save(service.base, { unitNo: 7, from: midnight(0), values: flat(44), note: "backdated", validAfter: issued });
  await save(service.base, { unitNo: 7, from: midnight(1), values: flat(30), note: "unknown then" });
  await open(`#/PP/7?day=${dayText(1)}&known_at=${knownAt}`);
  await page.locator("#answer-value", { hasText: "20.00 MW" }).waitFor();
  await page.locator("#past-banner", { hasText: "was known at" }).waitFor();
  await page.getByRole("button", { name: "Today" }).click();
  await page.locator("#answer-value", { hasText: "no forecast" }).waitFor();
  await page.keyboard.press("l");
  await page.locator("#answer-value", { hasText: "44.00 MW" }).waitFor();
});

scene("a company's past is summed by the service as it was known", {}, async ({ service, page, open }) => {
  const first = await save(service.base, { unitNo: 6, from: midnight(1), values: flat(10) });
  const batch = await fetch(`${service.base}/api/v2.0/batches/${first}`).then((each) => each.json());
  const knownAt = (batch as { data: { recorded: string } }).data.recorded;
  await save(service.base, { unitNo: 7, from: midnight(1), values: flat(5) });
  await open(`#/CMP/2?day=${dayText(1)}`);
  await page.locator("#answer-value", { hasText: "15.00 MW" }).waitFor();
  await open(`#/CMP/2?day=${dayText(1)}&known_at=${knownAt}`);
  await page.locator("#answer-value", { hasText: "10.00 MW" }).waitFor();
  await page.locator("#answer-facts", { hasText: "1 of 3 members" }).waitFor();
});
