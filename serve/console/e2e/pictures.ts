// The three pictures of the README, taken from the demonstration: `npm run pictures`.

import { mkdir, stat } from "node:fs/promises";
import { resolve } from "node:path";
import { type BrowserContextOptions, type Page, chromium } from "playwright-core";
import { expect, test } from "vitest";
import { PATIENCE_MS } from "./scene";
import { pause, service } from "./service";

const BYTES_AT_MOST = 250_000;
const FOLDER = resolve(import.meta.dirname, "../pictures");

/** Long enough for plants to be re-issued a few times while one looks. */
const SETTLE_MS = 45_000;

test("pictures", async () => {
  const demonstration = await service([], "demonstration");
  const executablePath = process.env.SMARTPULSE_CHROMIUM ?? "/usr/bin/chromium";
  const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });

  async function picture(name: string, hash: string, look: BrowserContextOptions): Promise<void> {
    const context = await browser.newContext({ locale: "en-GB", timezoneId: "Europe/Istanbul", ...look });
    const page: Page = await context.newPage();
    page.setDefaultTimeout(PATIENCE_MS);
    await page.goto(`${demonstration.base}/${hash}`);
    await page.locator("#standing-state.is-live").waitFor();
    await page.locator("#answer-value", { hasText: "MW" }).waitFor();
    // The tables beside the answer are read after it.
    await pause(3_000);
    const path = resolve(FOLDER, `${name}.png`);
    await page.screenshot({ path });
    await context.close();
    expect((await stat(path)).size, name).toBeLessThan(BYTES_AT_MOST);
  }

  try {
    await mkdir(FOLDER, { recursive: true });
    await demonstration.start();
    await pause(SETTLE_MS);
    const tomorrow = new Date(Date.now() + 86_400_000 + 3 * 3_600_000).toISOString().slice(0, 10);
    const wide = { viewport: { width: 1440, height: 900 } };
    await picture("unit", `#/PP/7?day=${tomorrow}`, { ...wide, colorScheme: "light" });
    await picture("total", "#/CMP/1", { ...wide, colorScheme: "light" });
    await picture("narrow-dark", "#/PP/7", { viewport: { width: 390, height: 844 }, colorScheme: "dark" });
  } finally {
    await browser.close();
    await demonstration.remove();
  }
});
