// What the keys do, for those who ask with `?`.

import { SHORTCUTS, isHelpOpen } from "../desk/shortcuts";
import { Dialog } from "./dialog";

export function Shortcuts() {
  if (!isHelpOpen.value) return null;
  return (
    <Dialog title="Keyboard" id="shortcuts" close={() => (isHelpOpen.value = false)}>
      <dl class="keys">
        {SHORTCUTS.map(({ keys, does }) => (
          <div key={keys}>
            <dt>
              <kbd>{keys}</kbd>
            </dt>
            <dd>{does}</dd>
          </div>
        ))}
        <div>
          <dt>
            <kbd>↑</kbd> <kbd>↓</kbd> <kbd>←</kbd> <kbd>→</kbd>
          </dt>
          <dd>walk the list, the slots and the curve; → and ← fold a branch of the list</dd>
        </div>
        <div>
          <dt>
            <kbd>Enter</kbd>
          </dt>
          <dd>open what is marked; in the search: the first hit</dd>
        </div>
        <div>
          <dt>
            <kbd>Esc</kbd>
          </dt>
          <dd>close what is open</dd>
        </div>
      </dl>
    </Dialog>
  );
}
