// A service of the test's own: the real binary on a free port with a data folder of its own, stopped exactly.

import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

export const PAST_ROLE = "PastPredictionUpdateRole";

export interface Service {
  /** Where it listens, as `http://127.0.0.1:PORT`. */
  readonly base: string;
  readonly port: number;
  start(): Promise<void>;
  /** SIGKILL, as a power cut would. */
  kill(): Promise<void>;
  /** Stops it and removes its folder. */
  remove(): Promise<void>;
  /** What it said, for a test that failed. */
  said(): string;
}

/** A service with these roles for the local caller, or the demonstration; not started yet. */
export async function service(roles: readonly string[], what: "serve" | "demonstration" = "serve"): Promise<Service> {
  const binary = process.env.SMARTPULSE_BINARY;
  if (binary === undefined) throw new Error("SMARTPULSE_BINARY must be the path of the smartpulse binary");
  const folder = await mkdtemp(join(tmpdir(), "smartpulse-console-"));
  const config = join(folder, "config.toml");
  await writeFile(config, `[auth]\nlocal_roles = ${JSON.stringify(roles)}\n`);
  const port = await freePort();
  const base = `http://127.0.0.1:${port}`;
  let process_: ChildProcess | null = null;
  let said = "";

  async function start(): Promise<void> {
    const command = what === "serve" ? ["serve"] : [];
    const words = [...command, "--config", config, "--data", join(folder, "data"), "--listen", `127.0.0.1:${port}`];
    const child = spawn(binary as string, words, { stdio: ["ignore", "pipe", "pipe"] });
    process_ = child;
    // Tests that are broken off leave nothing running.
    const kill = (): void => void child.kill("SIGKILL");
    process.once("exit", kill);
    child.once("exit", () => process.removeListener("exit", kill));
    for (const output of [child.stdout, child.stderr]) output?.on("data", (part) => (said += String(part)));
    for (;;) {
      if (child.exitCode !== null) throw new Error(`the service ended with ${child.exitCode}:\n${said}`);
      const answer = await fetch(`${base}/health/ready`).catch(() => null);
      if (answer?.ok === true) return;
      await pause(50);
    }
  }

  async function end(signal: NodeJS.Signals): Promise<void> {
    const child = process_;
    process_ = null;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill(signal);
    await ended;
  }

  return {
    base,
    port,
    start,
    kill: () => end("SIGKILL"),
    async remove() {
      await end("SIGTERM");
      await rm(folder, { recursive: true, force: true });
    },
    said: () => said,
  };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
