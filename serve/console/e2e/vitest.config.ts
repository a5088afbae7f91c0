// Tests of the page as the service serves it, in a real browser. One at a time: each has a service of its own, and
// two of them with a browser are enough for a small machine. With SMARTPULSE_PICTURES it takes the pictures instead.
import { defineConfig } from "vitest/config";

const isPictures = process.env.SMARTPULSE_PICTURES !== undefined;

export default defineConfig({
  test: {
    root: new URL("..", import.meta.url).pathname,
    include: [isPictures ? "e2e/pictures.ts" : "e2e/**/*.test.ts"],
    environment: "node",
    fileParallelism: false,
    testTimeout: 360_000,
    hookTimeout: 60_000,
  },
});
