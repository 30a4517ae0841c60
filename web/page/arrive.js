// The demonstration of a file that arrives slowly: <flextok-image> over a throttled connection.

const $ = (id) => document.getElementById(id);
// Units of payload at which a picture is kept.
const SLOTS = [8, 16, 32, 64, 128, 256, 512, 1000];

/** Offers the server's files. */
export function arrivals(files) {
  const select = $("arrive-file");
  select.replaceChildren(
    ...files.map(({ name, url, bytes }) => {
      const option = document.createElement("option");
      option.value = url;
      option.textContent = `${name} · ${bytes} bytes`;
      return option;
    }),
  );
  $("strip").replaceChildren(...SLOTS.map(slot));
  $("line").addEventListener("submit", (event) => {
    event.preventDefault();
    start(select.value, Number($("arrive-rate").value));
  });
  listen($("arriving"));
  $("arrive").hidden = false;
}

function slot() {
  const item = document.createElement("li");
  const canvas = document.createElement("canvas");
  const label = document.createElement("span");
  canvas.width = 3;
  canvas.height = 2;
  label.textContent = "–";
  item.append(canvas, label);
  return item;
}

function start(url, rate) {
  const image = $("arriving");
  $("strip").replaceChildren(...SLOTS.map(slot));
  $("arriving-none").hidden = true;
  $("arriving-bytes").textContent = "0 bytes";
  $("arriving-state").textContent = "waiting for the header";
  image.look = $("look").value;
  image.fetch = async (address, options) => slowly(await fetch(address, options), rate);
  if (image.getAttribute("src") === url) image.reload();
  else image.src = url;
}

function listen(image) {
  let counted = "";
  const say = (bytes, state) => {
    if (bytes !== undefined) $("arriving-bytes").textContent = `${bytes} bytes`;
    $("arriving-state").textContent = state;
  };
  image.addEventListener("flextok-header", ({ detail: { width, height, units, payload } }) => {
    counted = ` of ${units} ${payload === "ids" ? "tokens" : "bytes of payload"}`;
    const ratio = Math.min(2, Math.max(0.7, width / height));
    $("arrive").style.setProperty("--ratio", ratio);
    say(undefined, `header received: ${width} × ${height} pixels`);
  });
  image.addEventListener("flextok-picture", ({ detail: { units, bytes } }) => {
    // The last one comes once more, with its look.
    if (image.state === "partial") say(bytes, units + counted);
    keep(image, units, bytes);
  });
  image.addEventListener("flextok-complete", ({ detail: { state, units, bytes } }) => {
    say(bytes, `${units}${counted}: ${state}`);
  });
  image.addEventListener("flextok-error", ({ detail: { error, units } }) => {
    say(undefined, units ? `${units}${counted}, then: ${error.message}` : error.message);
  });
}

/** Adds a small copy of the shown picture to the strip, if it is the first one for its place, or that one with its look. */
function keep(image, units, bytes) {
  const index = SLOTS.findLastIndex((least) => units >= least);
  const item = $("strip").children[index];
  if (!item || (item.dataset.units ?? String(units)) !== String(units)) return;
  item.dataset.units = units;
  const [canvas, label] = item.children;
  const factor = 160 / Math.max(image.naturalWidth, image.naturalHeight);
  canvas.width = Math.max(1, Math.round(image.naturalWidth * factor));
  canvas.height = Math.max(1, Math.round(image.naturalHeight * factor));
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(image.canvas, 0, 0, canvas.width, canvas.height);
  label.textContent = `${bytes} bytes`;
  item.classList.add("there");
}

/** The same response with its body throttled to this many bytes per second; 0 is unlimited. */
function slowly(response, rate) {
  if (!rate || !response.ok) return response;
  const reader = response.body.getReader();
  const piece = Math.max(1, Math.round(rate / 20));
  let rest = new Uint8Array();
  const body = new ReadableStream(
    {
      async pull(controller) {
        if (rest.length === 0) {
          const { done, value } = await reader.read();
          if (done) return controller.close();
          rest = value;
        }
        await new Promise((resolve) => setTimeout(resolve, (1000 * piece) / rate));
        controller.enqueue(rest.slice(0, piece));
        rest = rest.slice(piece);
      },
      cancel: (reason) => reader.cancel(reason),
    },
    { highWaterMark: 0 },
  );
  return new Response(body, { status: response.status, headers: response.headers });
}
