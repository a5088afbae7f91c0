// What somebody who has never seen the page must find at once: what plant 7 is forecast to produce tomorrow at noon, who
// said so, and when it last changed.
import { expect } from "vitest";
import { MINUTE, dayText, flat, meter, midnight, save, send } from "./fleet";
import { scene } from "./scene";

/** A plant's tomorrow, different at noon. */
function withNoon(value: number): number[] {
  return flat(20).with(48, value);
}

scene("the first page already shows a plant and its day", {}, async ({ service, page, base }) => {
  await save(service.base, { unitNo: 1, from: midnight(0), values: flat(77.25), note: "first issue" });
  const requests: string[] = [];
  page.on("request", (request) => requests.push(request.url()));
  await page.goto(base);
  await page.locator("#answer-value", { hasText: "77.25 MW" }).waitFor();
  await page.getByRole("heading", { name: "Soma", level: 1 }).waitFor();
  await page.getByRole("button", { name: "Tomorrow" }).waitFor();
  await page.locator("#curve canvas").waitFor();
  expect(await page.locator("#table td[data-start]").count()).toBe(96);
  expect(await page.locator("#standing-epoch").innerText()).toMatch(/^[\d,]+$/);
  expect(await page.locator("dl.standing").innerText()).toMatch(/changes[\s\S]*\/s[\s\S]*last frame/);
  const foreign = requests.filter((url) => !url.startsWith(`${base}/`));
  expect(foreign, "everything comes from the service itself").toEqual([]);
});

scene("the page holds a strict content policy", {}, async ({ service, page, base, open }) => {
  await save(service.base, { unitNo: 7, from: midnight(1), values: flat(20) });
  // What the policy forbids is told on the console, and the scene takes that for a fault.
  const document_ = page.waitForResponse(`${base}/`);
  await open(`#/PP/7?day=${dayText(1)}`);
  const policy = (await document_).headers()["content-security-policy"] ?? "";
  expect(policy).toContain("default-src 'self'");
  expect(policy).not.toMatch(/script-src|unsafe-eval/);
  await page.locator("#answer-value", { hasText: "20.00 MW" }).waitFor();
  await page.locator("#curve canvas").waitFor();
  await page.getByRole("button", { name: "Edit" }).click();
  await page.getByRole("button", { name: "Keyboard shortcuts" }).click();
  await page.getByRole("dialog").waitFor();
});

scene("plant 7 tomorrow at noon: a number typed, Enter, Tomorrow", {}, async ({ service, page, open }) => {
  await save(service.base, { unitNo: 7, from: midnight(1), values: withNoon(31.5), note: "night issue" });
  await save(service.base, { unitNo: 7, from: midnight(1), values: withNoon(33.75), note: "morning issue" });
  await open("");
  await page.keyboard.type("7");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Çatalca", level: 1 }).waitFor();
  await page.getByRole("button", { name: "Tomorrow" }).click();
  await page.locator("#answer-value", { hasText: "33.75 MW" }).waitFor();
  const answer = await page.locator("#answer").innerText();
  expect(answer).toMatch(/tomorrow/i);
  expect(answer).toContain("12:00–12:15");
  await page.locator("#answer-facts", { hasText: "morning issue" }).waitFor();
  const facts = await page.locator("#answer-facts").innerText();
  expect(facts).toMatch(/provider\s+FinalForecast/);
  expect(facts).toMatch(/said by\s+local/);
  expect(facts).toMatch(/issued\s+\d+ \w+ \d\d:\d\d:\d\d \(valid after\)/);
  expect(facts).toMatch(/recorded\s+\d+ \w+ \d\d:\d\d:\d\d/);
  expect(facts).toMatch(/last changed\s+\d+ \w+( \d+ \w+)? ago/);
});

scene("a link shows another the same", {}, async ({ service, page, open }) => {
  await save(service.base, { unitNo: 7, from: midnight(1), values: withNoon(33.75) });
  const six = midnight(1) + 18 * 60 * MINUTE;
  const slot = new Date(six).toISOString();
  await open(`#/PP/7?day=${dayText(1)}&provider=FinalForecast&slot=${slot}`);
  await page.locator("#answer", { hasText: "18:00–18:15" }).waitFor();
  await page.locator("#answer-value", { hasText: "20.00 MW" }).waitFor();
  await page.locator(`#table td[data-start="${six + 15 * MINUTE}"]`).click();
  await page.waitForFunction((wanted) => location.hash.includes(wanted), new Date(six + 15 * MINUTE).toISOString().slice(0, 16));
});

scene("pointing at the table moves the answer; a company shows who reports", {}, async ({ service, page, open }) => {
  await save(service.base, { unitNo: 6, from: midnight(1), values: flat(11) });
  await save(service.base, { unitNo: 7, from: midnight(1), values: withNoon(33.75) });
  await meter(service.base, 7, midnight(-1), flat(17.5));
  await open(`#/PP/7?day=${dayText(1)}`);
  await page.locator(`#table td[data-start="${midnight(1)}"]`).hover();
  await page.locator("#answer", { hasText: "00:00–00:15" }).waitFor();
  await page.locator("#answer-value", { hasText: "20.00 MW" }).waitFor();
  await page.getByRole("button", { name: "Yesterday" }).click();
  await page.locator("#answer", { hasText: /actual \(Meter\)\s*17\.50 MW/ }).waitFor();

  await open(`#/CMP/2?day=${dayText(1)}`);
  await page.locator("#answer-value", { hasText: "44.75 MW" }).waitFor();
  await page.locator("#answer-facts", { hasText: "2 of 3 members" }).waitFor();
  const members = page.getByRole("region", { name: /^Members/ });
  await members.getByRole("row", { name: /17 Bandırma.*no value/ }).waitFor();
  await members.getByRole("row", { name: /7 Çatalca.*33\.75/ }).waitFor();
  await members.getByRole("button", { name: "7 Çatalca", exact: true }).click();
  await page.getByRole("heading", { name: "Çatalca", level: 1 }).waitFor();
});

scene("times are those of the unit, of the browser, or UTC", { zone: "America/New_York" }, async ({ service, page, open }) => {
  await save(service.base, { unitNo: 7, from: midnight(1), values: withNoon(33.75) });
  const noon = midnight(1) + 720 * MINUTE;
  await open(`#/PP/7?day=${dayText(1)}&slot=${new Date(noon).toISOString()}`);
  await page.locator("#answer", { hasText: "12:00–12:15 Europe/Istanbul" }).waitFor();
  await page.locator("#zone").selectOption("utc");
  await page.locator("#answer", { hasText: "09:00–09:15 UTC" }).waitFor();
  await page.locator("#answer-value", { hasText: "33.75 MW" }).waitFor();
  await page.locator("#zone").selectOption("browser");
  await page.locator("#answer", { hasText: "America/New_York" }).waitFor();
  await page.locator("#answer-value", { hasText: "33.75 MW" }).waitFor();
  expect(await page.locator("#answer").innerText()).toMatch(/0[45]:00–0[45]:15/);
});

scene("a period is computed by the service, and says what it covers", {}, async ({ service, page, open }) => {
  await save(service.base, { unitNo: 7, from: midnight(1) + 720 * MINUTE, values: [10, 20, 30, 40, 8, 9] });
  await open(`#/PP/7?day=${dayText(1)}`);
  await page.locator("#answer-value", { hasText: "10.00 MW" }).waitFor();
  await page.locator("#period").selectOption("60");
  await page.locator("#answer-value", { hasText: "25.00 MW" }).waitFor();
  await page.locator("#answer-facts", { hasText: /computed/ }).waitFor();
  await page.locator(`#table td[data-start="${midnight(1) + 780 * MINUTE}"]`).click();
  await page.locator("#answer-value", { hasText: "not enough covered" }).waitFor();
  await page.locator("#answer-facts", { hasText: /coverage\s*50 %/ }).waitFor();
});

scene("pointing at a line says which revision it is", {}, async ({ service, page, open }) => {
  const old = await save(service.base, { unitNo: 7, from: midnight(1), values: flat(20), note: "the old one" });
  await save(service.base, { unitNo: 7, from: midnight(1), values: flat(50), note: "the new one" });
  await open(`#/PP/7?day=${dayText(1)}`);
  await page.locator(".legend", { hasText: "2 revisions" }).waitFor();
  // The plot is made anew with a new revision; what holds it stays.
  const box = await page.locator("#curve").boundingBox();
  if (box === null) throw new Error("there is no curve");
  const tip = page.locator(".tip");
  const told = new Set<string>();
  // The lines are flat: somewhere between top and bottom the pointer is at each of them.
  for (let y = 4; y < box.height; y += 12) {
    await page.mouse.move(box.x + box.width / 2, box.y + y);
    told.add(await tip.innerText());
  }
  const words = [...told].find((each) => each.includes("the old one"));
  expect(words).toMatch(/^20\.00 MW · issued \d+ \w+ \d\d:\d\d:\d\d · by local · “the old one” · batch …/);
  expect(words).toContain(old.slice(-8));
});

scene("a day on which the clocks change has all its slots", {}, async ({ service, page, open }) => {
  const { base } = service;
  await send(base, "PUT", "/api/v2.0/units/PP/50", { name: "Uckermark", zone: "Europe/Berlin" });
  const from = Date.parse("2027-10-30T22:00:00Z");
  await save(base, { unitNo: 50, from, values: Array.from({ length: 100 }, (_, slot) => slot) });
  await open("#/PP/50?day=2027-10-31");
  await page.locator("#answer-value", { hasText: "52.00 MW" }).waitFor();
  expect(await page.locator("#table td[data-start]").count()).toBe(100);
  await page.locator(".odd-day", { hasText: "25 hours" }).waitFor();
  const cell = (start: string) => page.locator(`#table td[data-start="${Date.parse(start)}"]`);
  await cell("2027-10-31T00:30:00Z").click();
  await page.locator("#answer", { hasText: "02:30–02:45 +02:00" }).waitFor();
  await page.locator("#answer-value", { hasText: "10.00 MW" }).waitFor();
  await cell("2027-10-31T01:30:00Z").click();
  await page.locator("#answer", { hasText: "02:30–02:45 +01:00" }).waitFor();
  await page.locator("#answer-value", { hasText: "14.00 MW" }).waitFor();
});
