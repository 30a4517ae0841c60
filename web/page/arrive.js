// The demonstration of a file that arrives slowly: <flextok-image> over a throttled connection.

const $ = (id) => document.getElementById(id);
// Units of payload at which a picture is kept.
const KEPT = [8, 16, 32, 64, 128, 256, 512, 1000];
// When the file that is arriving was asked for.
let begun = 0;

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
  $("line").addEventListener("submit", (event) => {
    event.preventDefault();
    start(select.value, Number($("arrive-rate").value));
  });
  listen($("arriving"));
  $("arrive").hidden = false;
}

function start(url, rate) {
  const image = $("arriving");
  $("strip").replaceChildren();
  // From now on there is room for it, so that what is below does not move.
  $("arrive").classList.add("begun");
  $("arriving-none").hidden = true;
  $("arriving-bytes").textContent = "0 bytes";
  $("arriving-state").textContent = "waiting for the header";
  $("arriving-said").textContent = "The file is on its way.";
  image.look = $("look").value;
  begun = performance.now();
  // Not from the browser's cache, where it would be at once.
  image.fetch = async (address, options) => slowly(await fetch(address, { ...options, cache: "no-store" }), rate);
  if (image.getAttribute("src") === url) image.reload();
  else image.src = url;
}

function listen(image) {
  let counted = "";
  const end = (text) => ($("arriving-said").textContent = text);
  const say = (bytes, state) => {
    const seconds = (performance.now() - begun) / 1000;
    if (bytes !== undefined) $("arriving-bytes").textContent = `${bytes} bytes in ${seconds.toFixed(1)} s`;
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
    end(`All ${bytes} bytes have arrived: ${state}.`);
  });
  image.addEventListener("flextok-error", ({ detail: { error, units } }) => {
    say(undefined, units ? `${units}${counted}, then: ${error.message}` : error.message);
    end(error.message);
  });
}

/** Adds a small copy of the shown picture to the strip, if it is the first one of its size, or that one with its look. */
function keep(image, units, bytes) {
  const strip = $("strip");
  const place = KEPT.findLastIndex((least) => units >= least);
  const last = Number(strip.lastElementChild?.dataset.place ?? -1);
  if (place > last) strip.append(copy(place, units, bytes));
  const item = strip.lastElementChild;
  if (Number(item?.dataset.units) !== units) return;
  const [canvas] = item.children;
  const factor = 160 / Math.max(image.naturalWidth, image.naturalHeight);
  canvas.width = Math.max(1, Math.round(image.naturalWidth * factor));
  canvas.height = Math.max(1, Math.round(image.naturalHeight * factor));
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(image.canvas, 0, 0, canvas.width, canvas.height);
}

function copy(place, units, bytes) {
  const item = document.createElement("li");
  const label = document.createElement("span");
  label.textContent = `${bytes} bytes`;
  Object.assign(item.dataset, { place, units });
  item.append(document.createElement("canvas"), label);
  return item;
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
