// The demonstration of a file that arrives.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { before, describe, it } from "node:test";
import { folder, line, open, pictureOf, serve, shot, startBrowser, suite } from "./harness.mjs";

const text = (page, id) => page.locator(`#${id}`).textContent();
const state = (page, wanted) => page.waitForFunction((wanted) => document.getElementById("arriving").state === wanted, wanted);
/** The labels of the pictures that were kept, and the pictures. */
const strip = (page) =>
  page.evaluate(() =>
    [...document.querySelectorAll("#strip li")].map((item) => [
      Number.parseInt(item.textContent, 10),
      item.querySelector("canvas").toDataURL(),
    ]),
  );

async function begin(page, rate) {
  await page.selectOption("#arrive-file", { label: "coffee.flxt · 1024 bytes" });
  await page.selectOption("#arrive-rate", rate);
  await page.click("#arrive-go");
}

describe("a file that arrives", () => {
  let browser, address, file;
  const t = suite();
  before(async () => {
    browser = await startBrowser(t);
    const path = folder(t);
    file = readFileSync(join(path, "coffee.flxt"));
    address = await serve(t, path);
  });

  it("shows better and better pictures, and only such", async (t) => {
    const page = await open(t, browser, address);
    await pictureOf(page);
    assert.deepEqual(await strip(page), []);
    await begin(page, "100");
    await state(page, "complete");
    assert.equal(await text(page, "arriving-state"), "1008 of 1008 bytes of payload: complete");
    assert.equal(await text(page, "arriving-said"), "All 1024 bytes have arrived: complete.");
    const kept = await strip(page);
    assert.ok(kept.length >= 4, `${kept.length} pictures`);
    assert.equal(new Set(kept.map(([, picture]) => picture)).size, kept.length);
    assert.deepEqual(kept.map(([bytes]) => bytes).sort((a, b) => a - b), kept.map(([bytes]) => bytes));
    assert.ok(kept.every(([bytes]) => bytes >= 13 && bytes <= 1024), JSON.stringify(kept.map(([bytes]) => bytes)));
    await shot(page, "demonstration");
  });

  it("holds a fast server back to the speed that is chosen", async (t) => {
    const page = await open(t, browser, address);
    await pictureOf(page);
    await begin(page, "400");
    await state(page, "complete");
    const [bytes, seconds] = (await text(page, "arriving-bytes")).match(/[\d.]+/g).map(Number);
    assert.equal(bytes, 1024);
    assert.ok(seconds > 2.3, `${seconds} s`);
  });

  it("streams: what has come is shown while the server has the rest, each time anew", async (t) => {
    const asked = [];
    let holds = false;
    const own = await line(t, address, {
      "/coffee.flxt": (response, request) => {
        // So that the browser could keep it and ask whether it has changed.
        response.writeHead(200, { "Content-Length": file.length, ETag: '"one"', "Cache-Control": "no-cache" });
        if (!holds) return response.end(file);
        asked.push({ response, known: request.headers["if-none-match"] });
        response.write(file.subarray(0, 200));
      },
    });
    const page = await open(t, browser, own);
    await pictureOf(page);
    await page.waitForFunction(() => [...document.querySelectorAll("#files flextok-image")].every((i) => i.shownUnits));
    holds = true;
    for (const time of [1, 2]) {
      await begin(page, "");
      await page.waitForFunction(() => document.querySelectorAll("#strip li").length === 1);
      assert.equal(await page.evaluate(() => document.getElementById("arriving").state), "partial");
      const [[bytes]] = await strip(page);
      assert.ok(bytes > 100 && bytes <= 200, `${bytes} bytes`);
      assert.equal(asked.length, time);
      assert.equal(asked.at(-1).known, undefined);
      asked.at(-1).response.end(file.subarray(200));
      await state(page, "complete");
      // What never was has no place.
      const kept = await strip(page);
      assert.deepEqual(kept.map(([bytes]) => bytes), [bytes, 1024]);
    }
  });
});
