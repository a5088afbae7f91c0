// A wire that can be cut: forwards connections to the service until it is told not to.

import { type AddressInfo, type Socket, connect, createServer } from "node:net";

export interface Breaker {
  readonly base: string;
  /** Ends every connection and takes no new one. */
  cut(): void;
  /** Passes no byte on any more, with connections left open: a cable that was pulled. */
  freeze(): void;
  /** Lets everything through again; what was frozen is dropped. */
  mend(): void;
  close(): Promise<void>;
}

/** A breaker in front of a local port. */
export async function breaker(port: number): Promise<Breaker> {
  const sockets = new Set<Socket>();
  let state: "whole" | "cut" | "frozen" = "whole";

  const server = createServer((near) => {
    sockets.add(near);
    near.on("error", () => near.destroy());
    near.on("close", () => sockets.delete(near));
    if (state === "cut") {
      near.destroy();
      return;
    }
    if (state === "frozen") return;
    const far = connect(port, "127.0.0.1");
    const end = (): void => {
      near.destroy();
      far.destroy();
    };
    for (const [from, to] of [[near, far], [far, near]] as const) {
      from.on("data", (bytes) => {
        if (state === "whole") to.write(bytes);
      });
      from.on("error", end);
      from.on("close", end);
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));

  function drop(): void {
    for (const socket of sockets) socket.destroy();
  }

  return {
    base: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    cut() {
      state = "cut";
      drop();
    },
    freeze() {
      state = "frozen";
    },
    mend() {
      drop();
      state = "whole";
    },
    async close() {
      state = "cut";
      drop();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
