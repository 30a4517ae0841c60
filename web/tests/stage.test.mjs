// The stage of the page with files and lines that have something wrong with them.
import assert from "node:assert/strict";
import { copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { before, describe, it } from "node:test";
import { drop, flextok, folder, line, open, photo, photos, pictureOf, scratch, serve, startBrowser, suite } from "./harness.mjs";

const network = resolve(photos, "../data/nano.safetensors");
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

  it("starts with its sample where there is neither a list of files nor a file", async (t) => {
    const absent = await line(t, address, { "/index.json": (response) => response.writeHead(404).end() });
    for (const [at, expected] of [[absent, ["404"]], [await serve(t, scratch(t)), []]]) {
      const page = await open(t, browser, at, { expected });
      await labelled(page, "decoded", "cat.jpg, decoded from 1024 bytes");
      await page.waitForSelector("#webp:not([hidden])");
      assert.equal(await page.locator("#original").isVisible(), true);
      assert.equal(await page.locator("#arrive").isVisible(), false);
    }
  });

  it("starts with a file where a network would have to encode the sample", async (t) => {
    const own = scratch(t);
    flextok("encode", "--model", network, join(photos, "coffee.png"), "-o", join(own, "tokens.flxt"));
    const page = await open(t, browser, await serve(t, own, "--model", network));
    await labelled(page, "whole", "tokens.flxt");
    // Unless it is asked to.
    await page.click("#sample");
    await labelled(page, "decoded", "cat.jpg");
    assert.equal(await page.locator("#status.bad").count(), 0);
  });

  it("starts with the first file that it can show where there is no sample, and offers all", async (t) => {
    const without = await line(t, address, { "/cat.jpg": (response) => response.writeHead(404).end() });
    const page = await open(t, browser, without, { expected: ["404"] });
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
    await pictureOf(page);
    await page.click('#files button[title^="astronaut"]');
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
    await pictureOf(page);
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
    await labelled(page, "decoded", "cat.jpg");
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
    await labelled(page, "decoded", "clear.png");
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

  it("keeps the slider where it was moved to, as far as the next picture goes", async (t) => {
    const page = await open(t, browser, address);
    const shown = (name, bytes) => labelled(page, "decoded", `${name}, decoded from ${bytes} bytes`);
    const press = async (key, bytes) => {
      await page.focus("#size");
      await page.keyboard.press(key);
      await pictureOf(page, bytes);
    };
    await shown("cat.jpg", 1024);
    // Not moved yet: all of a photo, and of a file a part, since all of it is beside it.
    await drop(page, "one.png", photo("chelsea.png"), "image/png");
    await shown("one.png", 1024);
    await page.click('#files button[title^="astronaut"]');
    await shown("astronaut.flxt", 256);
    await press("PageDown", 128);
    await drop(page, "two.png", photo("coffee.png"), "image/png");
    await shown("two.png", 128);
    const at = await page.inputValue("#size");
    await drop(page, "small.flxt", good.subarray(0, 60), "");
    await shown("small.flxt", 60);
    assert.equal(await page.inputValue("#size"), "1000");
    // What did not go in between is not forgotten.
    await drop(page, "three.png", photo("chelsea.png"), "image/png");
    await shown("three.png", 128);
    assert.equal(await page.inputValue("#size"), at);
    // Whoever wants another file of the photo wants to see it.
    await page.selectOption("#budget", "4096");
    await shown("three.png", 4096);
    // The end is the end of each.
    await page.click('#files button[title^="coffee"]');
    await shown("coffee.flxt", 1024);
  });

  for (const viewport of [{ width: 1280, height: 720 }, { width: 768, height: 1024 }, { width: 360, height: 740 }]) {
    it(`is as wide for any picture, with its status beside the slider: ${viewport.width}`, async (t) => {
      const page = await open(t, browser, address, { viewport });
      await labelled(page, "decoded", "cat.jpg");
      const places = () =>
        page.evaluate(() => {
          const box = (id) => document.getElementById(id).getBoundingClientRect();
          const [picture, status, slider] = ["decoded", "status", "size"].map(box);
          const widths = ["stage", "size", "decoded"].map((id) => Math.round(box(id).width));
          const between = status.top >= picture.bottom && status.bottom <= slider.top;
          // There is nothing to see in the slider's last few pixels.
          return { widths, between, seen: status.top >= 0 && slider.bottom - 8 <= innerHeight };
        });
      const first = await places();
      assert.ok(first.between && first.seen, JSON.stringify(first));
      for (const [width, height] of [[300, 600], [600, 600], [900, 300]]) {
        const painted = await page.evaluate(async ([width, height]) => {
          const canvas = new OffscreenCanvas(width, height);
          canvas.getContext("2d").fillRect(0, 0, width / 2, height / 2);
          const blob = await canvas.convertToBlob({ type: "image/png" });
          return btoa(String.fromCharCode(...new Uint8Array(await blob.arrayBuffer())));
        }, [width, height]);
        await drop(page, `${width}.png`, Buffer.from(painted, "base64"), "image/png");
        await labelled(page, "decoded", `${width}.png`);
        const { widths, between } = await places();
        assert.deepEqual(widths, first.widths, `${width} × ${height}`);
        assert.ok(between);
      }
      // A file has two columns instead of three, of the same stage.
      await page.click('#files button[title^="astronaut"]');
      await labelled(page, "decoded", "astronaut.flxt");
      assert.deepEqual((await places()).widths.slice(0, 2), first.widths.slice(0, 2));
    });
  }

  it("says that it loads, with the last picture in place, and brings the next one into the window", async (t) => {
    let held = null;
    const slow = await line(t, address, {
      "/coffee.flxt": (response) => (held ? held.push(response) : response.end(good)),
    });
    const page = await open(t, browser, slow, { viewport: { width: 1280, height: 720 } });
    await labelled(page, "decoded", "cat.jpg");
    await page.waitForFunction(() => document.querySelector('#files button[title^="coffee"] flextok-image').shownUnits > 0);
    held = [];
    await page.click('#files button[title^="coffee"]');
    await status(page, /^Loading …$/);
    assert.equal(await page.locator("#stage.busy").count(), 1);
    assert.match(await page.getAttribute("#decoded", "aria-label"), /^cat\.jpg/);
    for (const response of held) response.end(good);
    await labelled(page, "decoded", "coffee.flxt");
    await status(page, /complete\.$/);
    assert.equal(await page.locator("#stage.busy").count(), 0);
    // Also from the bottom of the page, and what cannot be read is no different.
    const visible = () =>
      page.evaluate(() => {
        const { top, bottom } = document.getElementById("status").getBoundingClientRect();
        return top >= 0 && bottom <= innerHeight;
      });
    await page.evaluate(() => scrollTo(0, document.body.scrollHeight));
    assert.equal(await visible(), false);
    await drop(page, "text.png", Buffer.from("no picture"), "image/png");
    await status(page, /^text\.png: /);
    assert.equal(await visible(), true);
    assert.equal(await page.locator("#stage.busy").count(), 0);
  });
});
