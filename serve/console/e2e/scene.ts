// A test with a stage: a service of its own, a browser page of its own, and what is kept when it fails.

import { mkdir, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { type Browser, type Page, chromium } from "playwright-core";
import { afterAll, test } from "vitest";
import { type Breaker, breaker } from "./breaker";
import { found, midnight } from "./fleet";
import { PAST_ROLE, type Service, pause, service } from "./service";

export interface Stage {
  service: Service;
  wire: Breaker;
  page: Page;
  /** Where the page comes from: the wire that can be cut. */
  base: string;
  /** Opens the page at `#…` and waits until it is live. */
  open(hash: string): Promise<void>;
}

interface Choice {
  width?: number;
  height?: number;
  theme?: "light" | "dark";
  roles?: string[];
  zone?: string;
}

/** Patience, never an assertion: a loaded machine is slow, not wrong. */
export const PATIENCE_MS = 60_000;

const LONGEST_SCENE_MS = 120_000;

let browser: Browser | undefined;
afterAll(async () => {
  await browser?.close();
  browser = undefined;
});

async function launched(): Promise<Browser> {
  const executablePath = process.env.SMARTPULSE_CHROMIUM ?? "/usr/bin/chromium";
  browser ??= await chromium.launch({ executablePath, args: ["--no-sandbox"] });
  return browser;
}

/** A test whose stage is cleared whatever happens. */
export function scene(name: string, choice: Choice, play: (stage: Stage) => Promise<void>): void {
  test(name, async () => {
    await untilDayIsLong();
    const own = await service(choice.roles ?? [PAST_ROLE]);
    let wire: Breaker | undefined;
    let page: Page | undefined;
    const faults: string[] = [];
    try {
      await own.start();
      await found(own);
      wire = await breaker(own.port);
      const { base } = wire;
      const context = await (await launched()).newContext({
        viewport: { width: choice.width ?? 1280, height: choice.height ?? 900 },
        colorScheme: choice.theme ?? "light",
        timezoneId: choice.zone ?? "Europe/Istanbul",
        locale: "en-GB",
      });
      page = await context.newPage();
      page.setDefaultTimeout(PATIENCE_MS);
      page.on("pageerror", (error) => faults.push(error.stack ?? error.message));
      page.on("console", (message) => {
        // Connections that a test cuts are told of, too; they are no fault of the page.
        const isOwn = message.type() === "error" && !message.text().startsWith("Failed to load resource");
        if (isOwn) faults.push(message.text());
      });
      const shown = page;
      const open = async (hash: string): Promise<void> => {
        await shown.goto(`${base}/${hash}`);
        await shown.locator("#standing-state.is-live").waitFor();
      };
      await play({ service: own, wire, page, base, open });
      if (faults.length > 0) throw new Error(`the page complained:\n${faults.join("\n")}`);
    } catch (error) {
      await keep(name, page, [String(error), ...faults, own.said()]);
      throw error;
    } finally {
      await page?.context().close();
      await wire?.close();
      await own.remove();
    }
  });
}

/** Waits where midnight is near: a test's tomorrow must be the page's. */
async function untilDayIsLong(): Promise<void> {
  const left = midnight(1) - Date.now();
  if (left < LONGEST_SCENE_MS) await pause(left);
}

/** Keeps what a failed test saw. */
async function keep(name: string, page: Page | undefined, words: string[]): Promise<void> {
  const given = process.env.SMARTPULSE_ARTEFACTS;
  const folder = given ?? resolve(import.meta.dirname, "../../../target/console-artefacts");
  await mkdir(folder, { recursive: true });
  const file = join(folder, name.replace(/\W+/g, "-"));
  await writeFile(`${file}.txt`, words.join("\n\n"));
  // The page may be what broke.
  await page?.screenshot({ path: `${file}.png`, fullPage: true }).catch(() => undefined);
}
