// A REST read that follows what it is asked for: the newest question wins, the one before is called off, and what
// was read stays until the next answer is here.

import { type ReadonlySignal, type Signal, effect, signal } from "@preact/signals";
import { Refused } from "../read/answer";

export interface Read<T> {
  /** The question that `data` answers. */
  asked: string | null;
  data: T | null;
  error: string | null;
  isLoading: boolean;
}

export interface Reading<T> {
  state: Signal<Read<T>>;
  /** Reads the same again, at once or when the one before has had its rest. */
  again(): void;
}

/** Rest after a read, as a multiple of what it took: reading never becomes the main work. */
const USUAL_REST = 5;
const RETRY_MS = 1_500;

/** Follows `question`; null asks nothing. `load` gets the question's text; `rest` is longer where it costs the service much. */
export function following<T>(
  question: ReadonlySignal<string | null>,
  load: (question: string, abort: AbortSignal) => Promise<T>,
  rest = USUAL_REST,
): Reading<T> {
  const state = signal<Read<T>>({ asked: null, data: null, error: null, isLoading: false });
  let abort: AbortController | null = null;
  let restUntil = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;

  async function read(asked: string): Promise<void> {
    clearTimeout(timer);
    abort?.abort();
    const own = new AbortController();
    abort = own;
    const before = state.peek();
    const isSame = before.asked === asked;
    state.value = { ...before, data: isSame ? before.data : null, error: null, isLoading: true };
    const began = performance.now();
    try {
      const data = await load(asked, own.signal);
      if (own.signal.aborted) return;
      state.value = { asked, data, error: null, isLoading: false };
    } catch (error) {
      if (own.signal.aborted) return;
      const words = error instanceof Refused ? error.words : String(error);
      state.value = { ...state.peek(), asked, error: words, isLoading: false };
      // The service was away or busy: it is asked again by itself, as the stream is.
      const mayPass = error instanceof Refused && (error.status === 0 || error.status === 503 || error.status === 429);
      if (mayPass) timer = setTimeout(() => asked === question.peek() && void read(asked), RETRY_MS);
    }
    restUntil = performance.now() + rest * (performance.now() - began);
    if (abort === own) abort = null;
  }

  effect(() => {
    const asked = question.value;
    clearTimeout(timer);
    if (asked === null) {
      abort?.abort();
      state.value = { asked: null, data: null, error: null, isLoading: false };
      return;
    }
    void read(asked);
  });

  function again(): void {
    clearTimeout(timer);
    const wait = Math.max(50, restUntil - performance.now());
    timer = setTimeout(() => {
      const asked = question.peek();
      // One that is under way may miss what just changed; it is let finish and followed by another.
      if (abort !== null) again();
      else if (asked !== null) void read(asked);
    }, wait);
  }

  return { state, again };
}
