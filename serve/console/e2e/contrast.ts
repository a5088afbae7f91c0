// The contrast of every text a page shows, computed in the page from what the browser would paint.

import type { Page } from "playwright-core";

export interface Faint {
  text: string;
  ratio: number;
  ink: string;
  ground: string;
}

/** Texts whose contrast is below `least`, and how many were looked at. */
export function faintTexts(page: Page, least: number): Promise<{ faint: Faint[]; count: number }> {
  return page.evaluate((wanted) => {
    type Colour = [number, number, number, number];

    const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    if (canvas === null) throw new Error("no canvas");
    canvas.canvas.width = 1;
    canvas.canvas.height = 1;
    function colour(text: string): Colour {
      if (canvas === null) throw new Error("no canvas");
      canvas.clearRect(0, 0, 1, 1);
      canvas.fillStyle = text;
      canvas.fillRect(0, 0, 1, 1);
      const [red = 0, green = 0, blue = 0, alpha = 0] = canvas.getImageData(0, 0, 1, 1).data;
      return [red, green, blue, alpha / 255];
    }
    function over(top: Colour, below: Colour): Colour {
      const mixed = [0, 1, 2].map((part) => (top[part] ?? 0) * top[3] + (below[part] ?? 0) * (1 - top[3]));
      return [mixed[0] ?? 0, mixed[1] ?? 0, mixed[2] ?? 0, 1];
    }
    function luminance([red, green, blue]: Colour): number {
      const linear = [red, green, blue].map((part) => {
        const share = part / 255;
        return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
      });
      return 0.2126 * (linear[0] ?? 0) + 0.7152 * (linear[1] ?? 0) + 0.0722 * (linear[2] ?? 0);
    }
    function ground(element: Element): Colour {
      const layers: Colour[] = [];
      for (let each: Element | null = element; each !== null; each = each.parentElement) {
        layers.push(colour(getComputedStyle(each).backgroundColor));
      }
      return layers.reduceRight<Colour>((below, top) => over(top, below), [255, 255, 255, 1]);
    }

    const faint: Faint[] = [];
    let count = 0;
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node !== null; node = walker.nextNode()) {
      const element = node.parentElement;
      const text = node.textContent?.trim() ?? "";
      if (element === null || text === "" || !element.checkVisibility({ visibilityProperty: true })) continue;
      const below = ground(element);
      const ink = over(colour(getComputedStyle(element).color), below);
      const [light, dark] = [luminance(ink), luminance(below)].sort((left, right) => right - left) as [number, number];
      const ratio = (light + 0.05) / (dark + 0.05);
      count += 1;
      if (ratio < wanted) faint.push({ text, ratio, ink: ink.join(), ground: below.join() });
    }
    return { faint, count };
  }, least);
}
