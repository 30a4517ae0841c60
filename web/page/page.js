// The page: connects picking, dropping and pasting with the stage, and lists the files of the server.
import { load, loadDecoder, shared } from "./api.js";
import "./flextok-image.js";
import { arrivals } from "./arrive.js";
import { Stage, fetched } from "./stage.js";

const $ = (id) => document.getElementById(id);
// Thumbnails are streamed and decoded one after another; more of them would keep the stage waiting.
const MOST_THUMBNAILS = 12;

// What is shown before anything else is chosen.
const SAMPLE = "cat.jpg";

// Errors that concern one file, so that the next one may work.
const FAULTS_OF_FILES = ["corrupt", "unsupported", "model", "limit", "http"];

const stage = new Stage();

async function open(source, name) {
  // A file of this format may have any name; it starts with these bytes.
  const start = new Uint8Array(await source.slice(0, 2).arrayBuffer().catch(() => new ArrayBuffer()));
  const magic = [0xf6, 0xdc].every((byte, index) => start[index] === byte);
  const file = magic || /\.flxt$/i.test(name) || source.type === "image/vnd.flextok";
  reveal();
  return file ? stage.openFile(source, name) : stage.openPhoto(source, name);
}

/** Brings the picture into the window, for those who chose one from further down. */
const reveal = () => $("decoded").scrollIntoView({ block: "nearest" });

async function fetchSample() {
  const response = await fetched(new URL(SAMPLE, import.meta.url));
  return response.blob();
}

const openSample = (photo) => stage.openPhoto(photo, SAMPLE, "A sample photo. Try the slider, or choose a photo of your own.");

function listenForFiles() {
  $("choose").addEventListener("change", ({ target }) => {
    const [file] = target.files;
    if (file) open(file, file.name);
    // The same file can be chosen once more.
    target.value = "";
  });
  $("sample").addEventListener("click", () => {
    reveal();
    openSample(fetchSample());
  });
  document.addEventListener("paste", ({ clipboardData }) => {
    const [file] = clipboardData.files;
    if (file) open(file, file.name || "pasted picture");
  });
  // dragenter and dragleave also come from everything inside: only their difference says whether it left.
  let depth = 0;
  const show = (change) => {
    depth = Math.max(0, depth + change);
    $("drop").hidden = depth === 0;
  };
  const holdsFiles = (event) => event.dataTransfer?.types.includes("Files");
  document.addEventListener("dragenter", (event) => holdsFiles(event) && show(1));
  document.addEventListener("dragleave", (event) => holdsFiles(event) && show(-1));
  document.addEventListener("dragover", (event) => holdsFiles(event) && event.preventDefault());
  document.addEventListener("drop", (event) => {
    if (!holdsFiles(event)) return;
    event.preventDefault();
    show(-depth);
    const [file] = event.dataTransfer.files;
    if (file) open(file, file.name);
  });
}

/** Says what of the model is there, and how it came. */
function showWeights() {
  const bar = $("progress");
  const parts = { model: "Loading the model …", decoder: "" };
  const say = (part, text) => {
    parts[part] = text;
    $("weights").textContent = Object.values(parts).filter(Boolean).join(" · ");
  };
  const from = (cached) => (cached ? "from this browser’s storage" : "from the server");
  const titles = { model: "Model", decoder: "decoder" };
  shared().addEventListener("progress", ({ detail: { part, loaded, total, cached } }) => {
    bar.hidden = cached || loaded === total;
    if (total) bar.value = loaded / total;
    else bar.removeAttribute("value");
    const percent = total ? `, loading ${Math.floor((100 * loaded) / total)} %` : " so far";
    if (!cached) say(part, `${titles[part]}: ${size(total ?? loaded)}${percent}`);
  });
  const show = async () => {
    let there = false;
    try {
      const { name, bytes, cached, learned, tokens } = await load();
      say("model", `Model ${name}: ${size(bytes)}, ${from(cached)}`);
      there = true;
      // A network has none, a whole model has it inside.
      if (learned || tokens !== undefined) return;
      const decoder = await loadDecoder();
      say("decoder", `${titles.decoder}: ${size(decoder.bytes)}, ${from(decoder.cached)}`);
    } catch (error) {
      const why = error.status ? `HTTP status ${error.status}` : "no connection";
      if (there) return say("decoder", `decoder: not there, ${error.kind === "network" ? why : error.message}; pictures stay plain`);
      say("model", "No model");
      stage.note(error.message);
    } finally {
      bar.hidden = true;
    }
  };
  show();
  // Whoever chooses a look asks for the decoder once more.
  $("look").addEventListener("change", show);
}

const size = (bytes) => (bytes < 1e6 ? `${Math.round(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`);

/** The server's files that hold a picture. */
async function serverFiles() {
  try {
    const response = await fetch("index.json", { headers: { Accept: "application/json" } });
    if (!response.ok) return [];
    const list = await response.json();
    const shown = list.filter((file) => (file.tokens ?? file.bytes_have) > 0);
    return shown.map((file) => ({ ...file, url: new URL(file.url, document.baseURI).href }));
  } catch {
    // A page without such a list works as well, only without server files.
    return [];
  }
}

function thumbnail({ name, bytes, url }) {
  const item = document.createElement("li");
  const button = document.createElement("button");
  const image = document.createElement("flextok-image");
  const label = document.createElement("span");
  button.type = "button";
  image.alt = "";
  image.units = 256;
  // At this size others look the same, and the stage's pictures do not wait for them.
  image.look = "plain";
  image.loading = "lazy";
  image.src = url;
  label.textContent = name.replace(/\.flxt$/, "");
  button.title = `${name}, ${bytes} bytes`;
  button.dataset.url = url;
  button.append(image, label);
  button.addEventListener("click", () => stage.openUrl(url, name));
  item.append(button);
  return item;
}

/** Marks the file that the stage shows; none where it is a photo. */
function mark(url) {
  for (const button of $("files").querySelectorAll("button")) {
    if (button.dataset.url === url) button.setAttribute("aria-current", "true");
    else button.removeAttribute("aria-current");
  }
}

/** Offers the files from `start` on, some at a time. */
function offer(files, start) {
  const end = start + MOST_THUMBNAILS;
  $("files").append(...files.slice(start, end).map(thumbnail));
  mark(stage.url);
  const rest = files.length - end;
  $("more").hidden = rest <= 0;
  $("more").textContent = `Show ${Math.min(rest, MOST_THUMBNAILS)} of ${rest} more`;
  $("more").onclick = () => {
    offer(files, end);
    // The button may be gone, and the focus with it.
    $("files").children[end].firstElementChild.focus();
  };
}

/** Shows the sample, or the first file that can be shown where there is none, unless something else was opened before. */
async function start(listed) {
  // While the model is on its way.
  const photo = fetchSample();
  photo.catch(() => {});
  try {
    const { tokens } = await load();
    // A FlexTok network takes long to encode: not unasked.
    if (tokens === undefined && stage.empty && !(await openSample(photo))) return;
    await openFirst(await listed);
    if (stage.empty) stage.note("Choose a photo to see it in a kilobyte.");
  } catch {
    // That there is no model is said elsewhere.
  }
}

/** Shows the first of these files that can be shown, unless something else was opened before. */
async function openFirst(files) {
  for (const { url, name } of files.slice(0, MOST_THUMBNAILS)) {
    if (!stage.empty) return;
    const error = await stage.openUrl(url, name);
    if (!FAULTS_OF_FILES.includes(error?.kind)) return;
  }
}

function showFiles(files) {
  if (files.length === 0) return;
  stage.addEventListener("open", ({ detail }) => mark(detail.url));
  offer(files, 0);
  $("server").hidden = false;
  arrivals(files);
}

listenForFiles();
showWeights();
// All at once, so that nothing jumps when the list comes; a server that takes long is not waited for.
const listed = serverFiles();
start(listed);
await Promise.race([listed, new Promise((done) => setTimeout(done, 1000))]);
listed.then(showFiles);
await Promise.resolve();
$("main").hidden = false;
