// Taking a batch back: says what it is, asks once, and lists the slots that stand against it.

import { zone } from "../desk/day";
import { now } from "../desk/clock";
import { type Withdrawal, withdraw, withdrawal } from "../desk/saving";
import { instantWords } from "../time/words";
import { Dialog } from "./dialog";

export function WithdrawDialog() {
  const current = withdrawal.value;
  if (current === null) return null;
  const close = (): void => {
    withdrawal.value = null;
  };
  const isOver = current.isDone || current.facts?.withdrawnAt !== undefined;
  return (
    <Dialog title="Withdraw a batch" id="withdraw" close={close}>
      <p>
        The whole batch is taken back, all its units and slots; what counted before it returns everywhere. History keeps
        it.
      </p>
      <Facts current={current} />
      {current.error !== null && (
        <div class="outcome is-fault" role="alert">
          <p>Not withdrawn: {current.error}</p>
          <Refusals current={current} />
        </div>
      )}
      {current.isDone && (
        <p class="outcome" role="status">
          <b>Withdrawn.</b>
        </p>
      )}
      <footer>
        <button type="button" onClick={close}>
          {isOver ? "Close" : "Keep it"}
        </button>
        {!isOver && (
          <button
            type="button"
            class="danger"
            id="confirm-withdraw"
            disabled={current.isBusy || current.facts === null}
            onClick={() => void withdraw()}
          >
            {current.isBusy ? "Working…" : "Withdraw it"}
          </button>
        )}
      </footer>
    </Dialog>
  );
}

function Facts({ current }: { current: Withdrawal }) {
  const facts = current.facts ?? {};
  const shown = [
    ["batch", current.batchId],
    ["provider", facts.providerKey],
    ["by", facts.user],
    ["note", facts.note],
    ["recorded", instant(facts.recorded)],
    ["issued", instant(facts.validAfter)],
    ["values saved", facts.savedCount],
    ["delivery days", days(facts.firstDeliveryDay, facts.lastDeliveryDay)],
    ["withdrawn", instant(facts.withdrawnAt)],
  ].filter(([, value]) => value !== undefined);
  return (
    <dl class="pairs">
      {shown.map(([name, value]) => (
        <div key={String(name)}>
          <dt>{String(name)}</dt>
          <dd>{String(value)}</dd>
        </div>
      ))}
    </dl>
  );
}

function instant(text: unknown): string | undefined {
  return typeof text === "string" ? instantWords(Date.parse(text), zone.value, now.peek()) : undefined;
}

function days(first: unknown, last: unknown): string | undefined {
  if (typeof first !== "string") return undefined;
  return first === last ? first : `${first} to ${String(last)} (UTC)`;
}

const REFUSALS_AT_MOST = 50;

function Refusals({ current }: { current: Withdrawal }) {
  const { refused } = current;
  if (refused.length === 0) return null;
  return (
    <ul class="refusals">
      {refused.slice(0, REFUSALS_AT_MOST).map((slot) => (
        <li key={`${slot.unitType}/${slot.unitNo}/${slot.ds}`}>
          {slot.unitType}/{slot.unitNo} {instant(slot.ds)} <code>{slot.code}</code>
        </li>
      ))}
      {refused.length > REFUSALS_AT_MOST && <li>and {refused.length - REFUSALS_AT_MOST} more</li>}
    </ul>
  );
}
