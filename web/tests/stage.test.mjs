// The stage of the page with files and lines that have something wrong with them.
import assert from "node:assert/strict";
import { copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { before, describe, it } from "node:test";
import { drop, folder, line, open, photo, photos, pictureOf, serve, startBrowser, suite } from "./harness.mjs";

const foreign = resolve(photos, "../../format-spec/examples/ids.flxt");
const text = (page, id) => page.locator(`#${id}`).textContent();
const status = (page, pattern) =>
  page.waitForFunction((source) => new RegExp(source).test(document.getElementById("status").textContent), pattern.source);
const labelled = (page, id, start) =>
  page.waitForFunction(([id, start]) => document.getElementById(id).ariaLabel.startsWith(start), [id, start]);

describe("the stage", () => {
  let browser, address, path, good;
  const t = suite();
  before(async () => {
    browser = await startBrowser(t);
    path = folder(t);
    good = readFileSync(join(path, "coffee.flxt"));
    // Those that sort first cannot be shown, or only in part.
    copyFileSync(foreign, join(path, "a-foreign.flxt"));
    writeFileSync(join(path, "a-header.flxt"), good.subarray(0, 12));
    for (let i = 10; i < 34; i++) copyFileSync(join(path, "coffee.flxt"), join(path, `many-${i}.flxt`));
    address = await serve(t, path);
  });

  it("starts with the first file that it can show, and offers all", async (t) => {
    const page = await open(t, browser, address);
    await pictureOf(page, 256);
    await labelled(page, "whole", "astronaut");
    assert.equal(await page.locator("#status.bad").count(), 0);
    assert.deepEqual(await page.locator("#files [aria-current]").allTextContents(), ["astronaut"]);
    // 28 with payload: a-foreign, the three photos, and many.
    assert.equal(await page.locator("#files li").count(), 12);
    assert.equal(await text(page, "more"), "Show 12 of 16 more");
    await page.click("#more");
    await page.click("#more");
    assert.equal(await page.locator("#files li").count(), 28);
    assert.equal(await page.locator("#more").isVisible(), false);
    await page.click("#files li:nth-child(28) button");
    await labelled(page, "whole", "many-33");
  });

  it("keeps what it shows when a file of another model comes", async (t) => {
    const page = await open(t, browser, address);
    await pictureOf(page, 256);
    await labelled(page, "whole", "astronaut");
    const before = await text(page, "download-all");
    await drop(page, "foreign.flxt", readFileSync(foreign), "");
    await status(page, /^foreign\.flxt: it was made by the model/);
    assert.equal(await text(page, "download-all"), before);
    assert.equal(await text(page, "bytes"), "256");
    assert.match(await page.getAttribute("#whole", "aria-label"), /^astronaut/);
    // And the next one is without blame.
    await page.click('#files button[title^="coffee.flxt"]');
    await status(page, /^1008 of 1008 bytes of payload: complete\.$/);
    assert.equal(await page.locator("#status.bad").count(), 0);
  });

  it("shows what is proven of a damaged file, under any name, and says so", async (t) => {
    const page = await open(t, browser, address);
    await pictureOf(page, 256);
    const damaged = Buffer.from(good);
    damaged[300] ^= 1;
    await drop(page, "damaged", damaged, "");
    await labelled(page, "whole", "damaged");
    await status(page, /^256 of 1008 bytes of payload: .*checksum/);
    assert.equal(await text(page, "all-bytes"), "271");
    await drop(page, "cut.flxt", good.subarray(0, 60), "");
    await status(page, /^48 of 1008 bytes of payload: truncated\.$/);
    await drop(page, "header.flxt", good.subarray(0, 12), "");
    await status(page, /^header\.flxt: .*before its first byte of payload/);
    assert.doesNotMatch(await text(page, "status"), /header\.flxt.*header\.flxt/);
  });

  it("lists files that come after a photo was opened", async (t) => {
    let answer;
    const asked = new Promise((heard) => (answer = heard));
    const slow = await line(t, address, { "/index.json": (response) => answer(response) });
    const page = await open(t, browser, slow);
    await page.waitForSelector("#main:not([hidden])");
    await drop(page, "a photo.png", photo("coffee.png"), "image/png");
    await labelled(page, "decoded", "a photo.png");
    const list = await (await fetch(`${address}/index.json`)).text();
    (await asked).end(list);
    await page.waitForSelector("#files li button");
    assert.match(await page.getAttribute("#decoded", "aria-label"), /^a photo\.png/);
  });

  it("tries WebP again after its script could not be fetched", async (t) => {
    let faults = 1;
    const own = await line(t, address, {
      "/webp-worker.js": async (response) => {
        if (faults-- > 0) return response.writeHead(503).end();
        const answer = await fetch(`${address}/webp-worker.js`);
        response.writeHead(200, { "Content-Type": "text/javascript", "Cross-Origin-Embedder-Policy": "require-corp" });
        response.end(Buffer.from(await answer.arrayBuffer()));
      },
    });
    const page = await open(t, browser, own, { expected: ["503", "webp-worker.js"] });
    await pictureOf(page);
    await drop(page, "one.png", photo("coffee.png"), "image/png");
    await page.waitForFunction(() => document.getElementById("webp-none").textContent.startsWith("WebP could not be tried"));
    await drop(page, "two.png", photo("coffee.png"), "image/png");
    await page.waitForSelector("#webp:not([hidden])");
  });

  it("puts transparent pixels on white in WebP", async (t) => {
    const page = await open(t, browser, address);
    await pictureOf(page);
    const clear = await page.evaluate(async () => {
      const canvas = new OffscreenCanvas(300, 200);
      canvas.getContext("2d").clearRect(0, 0, 300, 200);
      const blob = await canvas.convertToBlob({ type: "image/png" });
      return btoa(String.fromCharCode(...new Uint8Array(await blob.arrayBuffer())));
    });
    await drop(page, "clear.png", Buffer.from(clear, "base64"), "image/png");
    await page.waitForSelector("#webp:not([hidden])");
    const pixel = await page.evaluate(async () => {
      const image = document.getElementById("webp");
      await image.decode();
      const context = new OffscreenCanvas(1, 1).getContext("2d");
      context.drawImage(image, 0, 0, 1, 1);
      return [...context.getImageData(0, 0, 1, 1).data];
    });
    assert.ok(pixel.every((value) => value > 250), `${pixel}`);
  });
});
