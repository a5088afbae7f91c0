// How the page is built, and served while one works on it: doors of a running service are asked by proxy
// (SMARTPULSE_SERVER, default the demonstration's address).
import { defineConfig } from "vite";

const server = process.env.SMARTPULSE_SERVER ?? "http://127.0.0.1:8080";

export default defineConfig({
  base: "/",
  build: {
    target: "es2022",
    // The first browsers that know `light-dark()`.
    cssTarget: ["chrome123", "firefox120", "safari17.5"],
    // The policy of the page allows its own files only: nothing is turned into a `data:` address.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  server: { proxy: { "/api": { target: server }, "/health": { target: server } } },
});
