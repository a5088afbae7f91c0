// One subscription kept alive: asks the stream door, closes groups, comes back after a cut with the last id.
//
// Everything it stands on (fetch, timers, chance) is an argument, so that tests can cut it where they like.

import { type Ending, waitMs } from "./backoff";
import { frameReader } from "./frames";
import { BrokenStream, groupReader, type Step } from "./groups";

/** Silence after which a connection is taken for dead: progress comes at least once a second. */
const SILENCE_MS = 6_000;

export type Phase =
  | { type: "connecting" }
  | { type: "open" }
  | { type: "waiting"; ending: Ending; untilMs: number; attempt: number };

export interface Surroundings {
  fetch: typeof fetch;
  nowMs: () => number;
  chance: () => number;
}

export interface Hearer {
  step(step: Step): void;
  phase(phase: Phase): void;
}

export interface Subscription {
  close(): void;
}

/** Subscribes to `path`; `hearer` hears closed groups until it is closed. */
export function subscribe(path: string, hearer: Hearer, around: Surroundings): Subscription {
  let isClosed = false;
  let lastId: string | null = null;
  let epoch: number | null = null;
  let attempt = 0;
  let abort = new AbortController();
  let timer: ReturnType<typeof setTimeout> | undefined;

  function hear(step: Step): void {
    if (step.type === "resync") {
      lastId = null;
      epoch = null;
    } else {
      lastId = step.id;
      epoch = step.epoch;
      attempt = 0;
    }
    hearer.step(step);
  }

  async function read(): Promise<Ending> {
    abort = new AbortController();
    let silence: ReturnType<typeof setTimeout> | undefined;
    const listen = (): void => {
      clearTimeout(silence);
      silence = setTimeout(() => abort.abort(), SILENCE_MS);
    };
    try {
      listen();
      const headers: Record<string, string> = { accept: "text/event-stream" };
      if (lastId !== null) headers["Last-Event-ID"] = lastId;
      const answer = await around.fetch(path, { headers, signal: abort.signal, cache: "no-store" });
      if (!answer.ok || answer.body === null) return await refusal(answer);
      hearer.phase({ type: "open" });
      const frames = frameReader();
      const groups = groupReader(epoch);
      const reader = answer.body.getReader();
      for (;;) {
        const { done, value } = await reader.read();
        if (isClosed) return lost("closed");
        if (done) return lost("the connection ended");
        listen();
        for (const frame of frames.push(value)) {
          const step = groups.take(frame);
          if (step !== null) hear(step);
        }
      }
    } catch (error) {
      if (error instanceof BrokenStream || error instanceof SyntaxError) {
        // What is held may be wrong: begin anew instead of resuming.
        lastId = null;
        epoch = null;
        return lost(error.message);
      }
      return lost(abort.signal.aborted ? "nothing was heard" : "the service does not answer");
    } finally {
      clearTimeout(silence);
      abort.abort();
    }
  }

  async function run(): Promise<void> {
    while (!isClosed) {
      hearer.phase({ type: "connecting" });
      const ending = await read();
      if (isClosed) return;
      attempt += 1;
      const wait = waitMs(ending, attempt, around.chance());
      hearer.phase({ type: "waiting", ending, untilMs: around.nowMs() + wait, attempt });
      await new Promise<void>((resolve) => {
        timer = setTimeout(resolve, wait);
      });
    }
  }

  void run();
  return {
    close() {
      isClosed = true;
      clearTimeout(timer);
      abort.abort();
    },
  };
}

function lost(message: string): Ending {
  return { type: "lost", message };
}

async function refusal(answer: Response): Promise<Ending> {
  const seconds = Number(answer.headers.get("retry-after") ?? Number.NaN);
  let message = `status ${answer.status}`;
  try {
    message = ((await answer.json()) as { message?: string }).message ?? message;
  } catch {
    // A refusal without the envelope comes from something in between; its status says enough.
  }
  const retryAfterMs = Number.isFinite(seconds) ? seconds * 1_000 : null;
  return { type: "refused", status: answer.status, message, retryAfterMs };
}
