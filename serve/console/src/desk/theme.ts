// Dark or light: as the system says until somebody chooses.

import { effect, signal } from "@preact/signals";
import { keep, kept } from "./address";

export type Theme = "dark" | "light";

const system = window.matchMedia("(prefers-color-scheme: dark)");
const chosen = kept("theme");
export const theme = signal<Theme>(chosen === "dark" || chosen === "light" ? chosen : systemTheme());
let isChosen = chosen !== null;

function systemTheme(): Theme {
  return system.matches ? "dark" : "light";
}

system.addEventListener("change", () => {
  if (!isChosen) theme.value = systemTheme();
});

export function toggleTheme(): void {
  isChosen = true;
  theme.value = theme.value === "dark" ? "light" : "dark";
  keep("theme", theme.value);
}

effect(() => {
  document.documentElement.dataset.theme = theme.value;
});

/** A colour of the style sheet as the canvas understands it. */
export function colour(name: string): string {
  const probe = document.createElement("i");
  probe.style.color = `var(--${name})`;
  document.body.append(probe);
  const resolved = getComputedStyle(probe).color;
  probe.remove();
  return resolved;
}
