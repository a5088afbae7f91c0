// A subscription over real sockets: a small server that speaks the stream, is cut, refuses and comes back.
import { type IncomingMessage, type Server, type ServerResponse, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, test, vi } from "vitest";
import { LONGEST_WAIT_MS, REFUSED_WAIT_MS, waitMs } from "../src/stream/backoff";
import type { Step } from "../src/stream/groups";
import { type Phase, type Subscription, subscribe } from "../src/stream/subscription";

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

let server: Server | undefined;
let subscription: Subscription | undefined;

afterEach(() => {
  subscription?.close();
  server?.closeAllConnections();
  server?.close();
});

/** Serves `answers` in turn, the last for good, and subscribes to them. */
async function against(...answers: Answer[]) {
  const asked: (string | undefined)[] = [];
  const own = createServer((request, response) => {
    const answer = answers[Math.min(asked.length, answers.length - 1)];
    asked.push(request.headers["last-event-id"] as string | undefined);
    answer?.(request, response);
  });
  server = own;
  await new Promise<void>((resolve) => own.listen(0, "127.0.0.1", resolve));
  const { port } = own.address() as AddressInfo;
  const steps: Step[] = [];
  const phases: Phase[] = [];
  const hearer = { step: (step: Step) => steps.push(step), phase: (phase: Phase) => phases.push(phase) };
  const around = { fetch, nowMs: () => performance.now(), chance: () => 0 };
  subscription = subscribe(`http://127.0.0.1:${port}/api/v2.0/stream`, hearer, around);
  return { asked, steps, phases };
}

const wait = (check: () => void): Promise<void> => vi.waitFor(check, { timeout: 20_000, interval: 10 });

function send(response: ServerResponse, event: string, data: unknown, id?: string): void {
  response.write(`event: ${event}\n${id === undefined ? "" : `id: ${id}\n`}data: ${JSON.stringify(data)}\n\n`);
}

function open(response: ServerResponse): void {
  response.writeHead(200, { "content-type": "text/event-stream" });
}

const row = (v: number) => ({ key: { kind: "forecast", unitType: "PP", unitNo: 7, ds: "2026-11-25T11:00:00Z" }, old: null, new: { v } });

const snapshot: Answer = (_, response) => {
  open(response);
  send(response, "snapshot-begin", { epoch: 1, clock: "2026-11-24T00:00:00Z" });
  send(response, "rows", { epoch: 1, view: "latest", rows: [row(1)] });
  send(response, "snapshot-end", { epoch: 1, clock: "2026-11-24T00:00:00Z" }, "i.1");
};

describe("a subscription", () => {
  test("comes back after a cut with the id of the last closed group", async () => {
    const cutInsideGroup: Answer = (request, response) => {
      snapshot(request, response);
      send(response, "delta", { epoch: 2, view: "latest", deltas: [{ ...row(2), causes: [] }] }, "i.2");
      response.write(`event: delta\ndata: ${JSON.stringify({ epoch: 3, view: "latest", deltas: [{ ...row(99), causes: [] }] })}\n\n`);
      setTimeout(() => response.destroy(), 50);
    };
    const resumed: Answer = (_, response) => {
      open(response);
      send(response, "delta", { epoch: 3, view: "latest", deltas: [{ ...row(3), causes: [] }] }, "i.3");
    };
    const { asked, steps, phases } = await against(cutInsideGroup, resumed);
    await wait(() => expect(steps).toHaveLength(3));
    expect(asked).toEqual([undefined, "i.2"]);
    const last = steps[2];
    expect(last).toMatchObject({ type: "changes", epoch: 3, deltas: [{ new: { v: 3 } }] });
    expect(phases.map((phase) => phase.type)).toEqual(["connecting", "open", "waiting", "connecting", "open"]);
  });

  test("begins anew where the stream broke its rules", async () => {
    const broken: Answer = (request, response) => {
      snapshot(request, response);
      send(response, "delta", { epoch: 9, fromEpoch: 5, view: "latest", deltas: [] }, "i.9");
    };
    const { asked, steps } = await against(broken, snapshot);
    await wait(() => expect(steps).toHaveLength(2));
    expect(asked).toEqual([undefined, undefined]);
  });

  test("forgets its token when told to resync", async () => {
    const resync: Answer = (_, response) => {
      open(response);
      send(response, "must-resync", { reason: "another incarnation", epoch: 1 });
      response.end();
    };
    const cut: Answer = (request, response) => {
      snapshot(request, response);
      response.end();
    };
    const { asked } = await against(cut, resync, snapshot);
    await wait(() => expect(asked).toEqual([undefined, "i.1", undefined]));
  });

  test("says what it was refused with, and tries again when the server says so", async () => {
    const busy: Answer = (_, response) => {
      response.writeHead(503, { "content-type": "application/json", "retry-after": "0" });
      response.end(JSON.stringify({ statusCode: 503, isError: true, message: "too many streams" }));
    };
    const { phases, steps } = await against(busy, snapshot);
    await wait(() => expect(steps).toHaveLength(1));
    const waiting = phases.find((phase) => phase.type === "waiting");
    expect(waiting).toMatchObject({ ending: { type: "refused", status: 503, message: "too many streams" } });
  });

  test("is silent once closed", async () => {
    const { steps, asked } = await against(snapshot);
    await wait(() => expect(steps).toHaveLength(1));
    subscription?.close();
    server?.closeAllConnections();
    await new Promise((resolve) => setTimeout(resolve, 700));
    expect(asked).toHaveLength(1);
  });
});

describe("the wait before an attempt", () => {
  const lost = { type: "lost", message: "" } as const;

  test("grows to a bound, and differs from page to page", () => {
    const waits = [1, 2, 3, 4, 5, 6, 7, 20].map((attempt) => waitMs(lost, attempt, 0.5));
    expect(waits).toEqual([250, 500, 1_000, 2_000, 4_000, LONGEST_WAIT_MS, LONGEST_WAIT_MS, LONGEST_WAIT_MS]);
    expect(waitMs(lost, 3, 0)).toBeLessThan(waitMs(lost, 3, 1));
  });

  test("is long where asking again changes nothing", () => {
    expect(waitMs({ type: "refused", status: 400, message: "", retryAfterMs: null }, 1, 0.5)).toBe(REFUSED_WAIT_MS);
    expect(waitMs({ type: "refused", status: 429, message: "", retryAfterMs: 3_000 }, 1, 0.5)).toBe(3_000);
    expect(waitMs({ type: "refused", status: 503, message: "", retryAfterMs: null }, 1, 0.5)).toBe(250);
  });
});
