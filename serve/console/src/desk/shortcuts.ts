// What a key does anywhere on the page. Keys are for those who keep the page open all day; nothing needs them.

import { signal } from "@preact/signals";
import { datePlus } from "../time/zone";
import { backToLive, go } from "./address";
import { date, today } from "./day";
import { beginEdit, editing, endEdit, withdrawal } from "./saving";
import { toggleTheme } from "./theme";

export const isHelpOpen = signal(false);
/** Whether the list is unfolded where there is no room for it beside the rest. */
export const isListOpen = signal(false);

interface Shortcut {
  keys: string;
  does: string;
  act: () => void;
}

export function goToDay(day: string): void {
  go({ day: day === today.value ? null : day, slot: null });
}

export function focusOn(id: string): void {
  document.getElementById(id)?.focus();
}

function toTable(): void {
  const cells = "#table td[tabindex='0'], #table input[tabindex='0']";
  document.querySelector<HTMLElement>(cells)?.focus();
}

export const SHORTCUTS: readonly Shortcut[] = [
  { keys: "/", does: "search a unit; a number typed anywhere does, too", act: () => focusOn("search") },
  { keys: "t", does: "today", act: () => goToDay(today.value) },
  { keys: "n", does: "tomorrow (next day)", act: () => goToDay(datePlus(today.value, 1)) },
  { keys: ",", does: "a day earlier", act: () => goToDay(datePlus(date.value, -1)) },
  { keys: ".", does: "a day later", act: () => goToDay(datePlus(date.value, 1)) },
  { keys: "s", does: "to the slots; arrow keys walk them", act: toTable },
  { keys: "c", does: "to the curve; left and right walk it", act: () => focusOn("curve") },
  { keys: "p", does: "choose the provider", act: () => focusOn("provider") },
  { keys: "e", does: "edit values", act: beginEdit },
  { keys: "l", does: "back to live", act: backToLive },
  { keys: "d", does: "dark or light", act: toggleTheme },
  { keys: "?", does: "this list", act: () => (isHelpOpen.value = true) },
];

function takesText(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && target.closest("input, select, textarea, [contenteditable]") !== null;
}

function press(event: KeyboardEvent): void {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Escape") {
    if (isListOpen.value) isListOpen.value = false;
    else if (editing.value !== null && editing.value.texts.size === 0) endEdit();
    return;
  }
  const isDialogOpen = isHelpOpen.value || withdrawal.value !== null;
  if (takesText(event.target) || isDialogOpen) return;
  const shortcut = SHORTCUTS.find((known) => known.keys === event.key);
  if (shortcut !== undefined) {
    event.preventDefault();
    shortcut.act();
  } else if (/^\d$/.test(event.key)) {
    // The digit itself lands in the field, which has the focus by the time it is typed.
    focusOn("search");
  }
}

export function listenToKeys(): void {
  document.addEventListener("keydown", press);
}
