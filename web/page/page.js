// The page: connects picking, dropping and pasting with the stage, and lists the files of the server.
import { load, shared } from "./api.js";
import "./flextok-image.js";
import { arrivals } from "./arrive.js";
import { Stage } from "./stage.js";

const $ = (id) => document.getElementById(id);
// Thumbnails are streamed and decoded one after another; more of them would keep the stage waiting.
const MOST_THUMBNAILS = 12;

const stage = new Stage();
const say = (text) => ($("status").textContent = text);

function open(source, name) {
  const file = /\.flxt$/i.test(name) || source.type === "image/vnd.flextok";
  return file ? stage.openFile(source, name) : stage.openPhoto(source, name);
}

function listenForFiles() {
  $("choose").addEventListener("change", ({ target }) => {
    const [file] = target.files;
    if (file) open(file, file.name);
    // The same file can be chosen once more.
    target.value = "";
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

function showProgress() {
  const bar = $("progress");
  const megabytes = (bytes) => (bytes / 1e6).toFixed(1);
  shared().addEventListener("progress", ({ detail: { loaded, total, cached } }) => {
    bar.hidden = cached;
    if (total) bar.value = loaded / total;
    if (!cached) stage.note(`Loading the model, once: ${megabytes(loaded)}${total ? ` of ${megabytes(total)}` : ""} MB`);
  });
  load().then(
    () => stage.note(""),
    (error) => say(error.message),
  ).finally(() => (bar.hidden = true));
}

async function serverFiles() {
  try {
    const response = await fetch("index.json", { headers: { Accept: "application/json" } });
    if (!response.ok) return [];
    const list = await response.json();
    return (Array.isArray(list) ? list : list.files).map((file) => ({ ...file, url: address(file.name) }));
  } catch {
    // A page without such a list works as well, only without server files.
    return [];
  }
}

const address = (name) => new URL(name.split("/").map(encodeURIComponent).join("/"), document.baseURI).href;

function thumbnail({ name, bytes, url }) {
  const item = document.createElement("li");
  const button = document.createElement("button");
  const image = document.createElement("flextok-image");
  const label = document.createElement("span");
  button.type = "button";
  image.alt = "";
  image.tokens = 16;
  image.src = url;
  label.textContent = name.replace(/\.flxt$/, "");
  button.title = `${name}, ${bytes} bytes`;
  button.append(image, label);
  button.addEventListener("click", () => stage.openUrl(url, name));
  item.append(button);
  return item;
}

async function listServer() {
  const files = await serverFiles();
  if (files.length === 0) return;
  // The stage's file goes first through the queue.
  const opened = stage.empty ? stage.openUrl(files[0].url, files[0].name) : null;
  $("files").append(...files.slice(0, MOST_THUMBNAILS).map(thumbnail));
  const rest = files.length - MOST_THUMBNAILS;
  $("more").hidden = rest <= 0;
  $("more").textContent = rest > 0 ? `and ${rest} more` : "";
  $("server").hidden = false;
  arrivals(files);
  await opened;
}

$("main").hidden = false;
listenForFiles();
showProgress();
listServer();
