// The units: a field to find one, and the tree of owners, regions or plant types. Arrow keys walk it.

import { computed, effect, signal } from "@preact/signals";
import { subjectPath } from "../place";
import { open, place } from "../desk/address";
import { nowMinute } from "../desk/clock";
import { hasUnits, memberships, openBranches, units } from "../desk/directory";
import { isListOpen } from "../desk/shortcuts";
import { type Branch, type Grouping, type Line, above, lines, tree } from "../units/hierarchy";
import { found, searchIndex } from "../units/search";
import { subjectOfUnit, unitName } from "../units/unit";
import { countText } from "../read/quantity";

/** Lines beyond this many are found by typing, not by scrolling. */
const LINES_AT_MOST = 400;
const HITS_AT_MOST = 50;

const text = signal("");
const grouping = signal<Grouping>("owners");
/** The branch that the arrow keys stand on. */
const marked = signal<string | null>(null);

const index = computed(() => searchIndex(units.value));
const hits = computed(() => found(index.value, text.value));
const branches = computed(() => tree(grouping.value, units.value, memberships.value, nowMinute.value));

const isSearching = computed(() => text.value.trim() !== "");
const shown = computed<Line[]>(() => {
  if (!isSearching.value) return lines(branches.value, openBranches.value);
  return hits.value.slice(0, HITS_AT_MOST).map((unit) => ({
    branch: { id: `hit/${unitName(unit.unitType, unit.unitNo)}`, subject: subjectOfUnit(unit), label: unit.name, unit, children: [] },
    level: 1,
    isOpen: false,
  }));
});

// The tree is unfolded to where one is.
effect(() => {
  const { subject } = place.value;
  const way = subject === null ? null : above(branches.value, subject);
  const standing = openBranches.peek();
  const isFew = units.value.length <= 30;
  const all = isFew ? branches.value.flatMap((branch) => [branch.id, ...branch.children.map((child) => child.id)]) : [];
  const next = [...(way ?? []), ...all].filter((id) => !standing.has(id));
  if (next.length > 0) openBranches.value = new Set([...standing, ...next]);
});

function choose(branch: Branch): void {
  open(branch.subject);
  marked.value = branch.id;
  if (branch.children.length > 0) fold(branch.id, true);
  text.value = "";
  isListOpen.value = false;
}

export function UnitList() {
  const visible = shown.value.slice(0, LINES_AT_MOST);
  return (
    <nav class={isListOpen.value ? "units is-open" : "units"} id="units" aria-label="Units">
      <input
        id="search"
        type="search"
        placeholder="Find: 7, plant 7, name"
        aria-label="Find a unit by number or name"
        aria-controls="unit-tree"
        autocomplete="off"
        spellcheck={false}
        value={text.value}
        onInput={(event) => (text.value = event.currentTarget.value)}
        onKeyDown={search}
      />
      <div class="list">
        <div class="choice" role="group" aria-label="Order of the list">
          {(["owners", "regions", "types"] as const).map((each) => (
            <button type="button" key={each} aria-pressed={grouping.value === each} onClick={() => (grouping.value = each)}>
              {each}
            </button>
          ))}
        </div>
        <ul id="unit-tree" role="tree" aria-label={isSearching.value ? "Units found" : "Units"} onKeyDown={walk}>
          {visible.map((line) => (
            <Item key={line.branch.id} line={line} isFirst={line === visible[0]} />
          ))}
        </ul>
        {!hasUnits.value && <p class="empty">Reading the units…</p>}
        {hasUnits.value && visible.length === 0 && <p class="empty">No unit fits.</p>}
        {isSearching.value && hits.value.length > HITS_AT_MOST && (
          <p class="hint">{countText(hits.value.length - HITS_AT_MOST)} more: type on.</p>
        )}
        {shown.value.length > LINES_AT_MOST && <p class="hint">More than fits here: fold a branch, or search.</p>}
      </div>
    </nav>
  );
}

function Item({ line, isFirst }: { line: Line; isFirst: boolean }) {
  const { branch, level, isOpen } = line;
  const isHere = subjectPath(branch.subject) === subjectPath(place.value.subject);
  const isTree = branch.children.length > 0;
  const isMarked = marked.value === branch.id || (isFirst && !shown.value.some((other) => other.branch.id === marked.value));
  return (
    <li
      role="treeitem"
      id={branch.id}
      aria-level={level}
      aria-expanded={isTree ? isOpen : undefined}
      aria-selected={isHere}
      tabIndex={isMarked ? 0 : -1}
      data-branch={branch.id}
      style={{ "--level": level }}
      onClick={() => choose(branch)}
      onFocus={() => (marked.value = branch.id)}
    >
      <span
        class="fold"
        aria-hidden="true"
        onClick={(event) => {
          if (!isTree) return;
          event.stopPropagation();
          fold(branch.id, !isOpen);
        }}
      >
        {isTree ? (isOpen ? "▾" : "▸") : ""}
      </span>
      <span class="unit-no">{branch.unit === null ? "Σ" : branch.unit.unitNo}</span>
      <span class="name">{branch.label}</span>
      <span class="kind">{branch.unit === null ? "" : (branch.unit.plantType ?? branch.unit.unitType)}</span>
    </li>
  );
}

function fold(id: string, isOpen: boolean): void {
  const next = new Set(openBranches.value);
  if (isOpen) next.add(id);
  else next.delete(id);
  openBranches.value = next;
}

function search(event: KeyboardEvent): void {
  const [first] = shown.value;
  if (event.key === "Enter" && isSearching.value && first !== undefined) {
    event.preventDefault();
    choose(first.branch);
    document.getElementById("main")?.focus({ preventScroll: true });
  } else if (event.key === "ArrowDown" && first !== undefined) {
    event.preventDefault();
    focusLine(first);
  } else if (event.key === "Escape") {
    text.value = "";
    document.getElementById("search")?.blur();
  }
}

function focusLine(line: Line | undefined): void {
  if (line === undefined) return;
  marked.value = line.branch.id;
  document.getElementById(line.branch.id)?.focus();
}

function walk(event: KeyboardEvent): void {
  const at = shown.value.findIndex((line) => line.branch.id === marked.value);
  const line = shown.value[at];
  if (line === undefined) return;
  const isTree = line.branch.children.length > 0;
  const moves: Record<string, () => void> = {
    ArrowDown: () => focusLine(shown.value[at + 1]),
    ArrowUp: () => (at === 0 ? document.getElementById("search")?.focus() : focusLine(shown.value[at - 1])),
    Home: () => focusLine(shown.value[0]),
    End: () => focusLine(shown.value.slice(0, LINES_AT_MOST).at(-1)),
    ArrowRight: () => (isTree && !line.isOpen ? fold(line.branch.id, true) : focusLine(shown.value[at + 1])),
    ArrowLeft: () => {
      if (isTree && line.isOpen) fold(line.branch.id, false);
      else focusLine(shown.value.slice(0, at).findLast((other) => other.level < line.level));
    },
    Enter: () => choose(line.branch),
    " ": () => choose(line.branch),
  };
  const move = moves[event.key];
  if (move === undefined) return;
  event.preventDefault();
  move();
}
