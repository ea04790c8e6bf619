// The live page: frames of a camera to /api/live and the painted ones back on a canvas.
// The protocol is described in live_socket.py; at most two frames are on their way at a time.

const $ = (id) => document.getElementById(id);
const view = $("view"), eye = $("eye"), paper = view.getContext("2d", { alpha: false });
const lens = document.createElement("canvas"), lensPaper = lens.getContext("2d", { alpha: false });

const LARGEST = 1280;      // longest edge that a camera is asked for, pixels
const QUALITY = 0.8;       // of the JPEGs that are sent
const LOST = 5000;         // milliseconds after which an answer is not waited for any more

let socket = null, retry = 0, styles = [], names = [], inFlight = 2;
let running = false, stream = null, fileUrl = "";
let size = 320, sent = new Map(), number = 0, lastSent = 0, fresh = false, encoding = false;
let arrivals = [], latencies = [], showing = Promise.resolve();
let recorder = null, recordingSince = 0;
const look = { style: "starry", second: "", strength: null, stroke: 0, share: 0.5, smoothing: 0.75, feedback: 0, fps: 20, plan: "auto" };

const theme = new URLSearchParams(location.search).get("theme") || new URLSearchParams(location.search).get("__theme");
if (theme === "dark" || theme === "light") document.documentElement.dataset.theme = theme;

// --- the socket ------------------------------------------------------------------------------------------------

function connect() {
  const address = new URL("api/live", location.href);
  address.protocol = location.protocol === "https:" ? "wss:" : "ws:";
  address.search = "";
  socket = new WebSocket(address);
  socket.binaryType = "arraybuffer";
  socket.onopen = () => { retry = 0; sent.clear(); if (names.length) settle(); };
  socket.onmessage = ({ data }) => (typeof data === "string" ? hear(JSON.parse(data)) : receive(data));
  socket.onclose = () => {
    sent.clear();
    if (running || !names.length) say("No connection to artkit; trying again …");
    setTimeout(connect, Math.min(8000, 500 * 2 ** retry++));
  };
}

function hear(message) {
  if (message.number !== undefined) { sent.delete(message.number); send(); }
  if (message.type === "hello") {
    inFlight = message.in_flight;
    if (!names.length) fill(message.styles);
    settle();
    if ($("said").textContent.startsWith("No connection")) say("");
  } else if (message.type === "figures") {
    size = message.size;
  } else if (message.type === "error") {
    say(message.message);
  }
}

function settle() {
  if (socket?.readyState !== WebSocket.OPEN || !names.length) return;
  const both = look.second && look.second !== look.style;
  socket.send(JSON.stringify({
    type: "settings",
    styles: both ? [look.style, look.second] : [look.style],
    style_weight: both ? [1 - look.share, look.share] : [],
    strength: look.strength, stroke: 2 ** look.stroke, smoothing: look.smoothing, feedback: look.feedback,
    fps: look.fps, plan: look.plan, most: Math.max(eye.videoWidth, eye.videoHeight, 16),
  }));
}

// --- frames out and in -----------------------------------------------------------------------------------------

function send() {
  const now = performance.now();
  for (const [n, one] of sent) if (now - one.at > LOST) sent.delete(n);
  if (!running || !fresh || encoding || sent.size >= inFlight || socket?.readyState !== WebSocket.OPEN) return;
  if (now - lastSent < 1000 / look.fps - 6 || !eye.videoWidth) return;
  fresh = false; encoding = true; lastSent = now;
  const scale = Math.min(1, size / Math.max(eye.videoWidth, eye.videoHeight));
  lens.width = Math.max(1, Math.round(eye.videoWidth * scale));
  lens.height = Math.max(1, Math.round(eye.videoHeight * scale));
  if (pressed("mirror")) lensPaper.setTransform(-1, 0, 0, 1, lens.width, 0);
  lensPaper.drawImage(eye, 0, 0, lens.width, lens.height);
  const n = number = (number + 1) >>> 0, one = { at: now, frame: null };
  if (pressed("split")) createImageBitmap(lens).then((frame) => { one.frame = frame; });
  lens.toBlob(async (blob) => {
    const data = blob && await blob.arrayBuffer();
    encoding = false;
    if (!data || !running || socket?.readyState !== WebSocket.OPEN) return;
    const packet = new Uint8Array(4 + data.byteLength);
    new DataView(packet.buffer).setUint32(0, n);
    packet.set(new Uint8Array(data), 4);
    sent.set(n, one);
    socket.send(packet);
  }, "image/jpeg", QUALITY);
}

function receive(data) {
  const n = new DataView(data).getUint32(0), one = sent.get(n);
  sent.delete(n);
  send();
  if (!one || !running) return;
  const picture = createImageBitmap(new Blob([new Uint8Array(data, 4)], { type: "image/jpeg" }));
  showing = showing.then(async () => show(await picture, one)).catch(() => {});
}

function show(picture, one) {
  paper.imageSmoothingQuality = "high";
  paper.drawImage(picture, 0, 0, view.width, view.height);
  if (one.frame) {
    const half = Math.round(one.frame.width / 2), middle = (half / one.frame.width) * view.width;
    paper.drawImage(one.frame, 0, 0, half, one.frame.height, 0, 0, middle, view.height);
    paper.fillStyle = "#fff";
    paper.fillRect(middle - 1, 0, 2, view.height);
    one.frame.close();
  }
  const now = performance.now();
  arrivals.push(now);
  latencies.push(now - one.at);
  while (arrivals.length && now - arrivals[0] > 2000) { arrivals.shift(); latencies.shift(); }
  view.dataset.shown = +(view.dataset.shown ?? 0) + 1;
  view.dataset.size = `${picture.width}x${picture.height}`;
  picture.close();
}

function figure() {
  if (running && arrivals.length > 1) {
    const fps = (arrivals.length - 1) * 1000 / (arrivals.at(-1) - arrivals[0]);
    const late = [...latencies].sort((a, b) => a - b)[latencies.length >> 1];
    $("figures").textContent = `${fps.toFixed(0)} fps · ${late.toFixed(0)} ms · ${(view.dataset.size ?? "").replace("x", " × ")}`;
  }
  $("figures").hidden = !running || arrivals.length < 2;
  if (recorder) {
    const seconds = Math.floor((performance.now() - recordingSince) / 1000);
    $("clock").textContent = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
  }
}

// --- the camera ------------------------------------------------------------------------------------------------

const WHY = {
  NotAllowedError: "The camera is not allowed here. Allow it with the camera sign in the address bar, or in the settings of your system, and try again.",
  NotFoundError: "No camera was found. Plug one in and try again, or use a video.",
  OverconstrainedError: "That camera is not there any more. Choose another one and try again.",
  NotReadableError: "Another program has the camera. Close it and try again.",
};

async function start() {
  if (!navigator.mediaDevices?.getUserMedia) {
    fail("Browsers give the camera only to pages from this machine or over https. Open artkit with https (artkit serve --tls-cert and --tls-key), or use a video.");
    return;
  }
  const chosen = $("camera").value;
  const video = { width: { ideal: LARGEST }, height: { ideal: 720 }, frameRate: { ideal: 30 } };
  if (chosen) video.deviceId = { exact: chosen }; else video.facingMode = "user";
  $("start").disabled = true;
  try {
    stop();
    stream = await navigator.mediaDevices.getUserMedia({ video, audio: false });
  } catch (error) {
    fail(WHY[error.name] ?? `The camera does not start (${error.message || error.name}).`);
    return;
  } finally {
    $("start").disabled = false;
  }
  stream.getVideoTracks()[0].addEventListener("ended", () => fail("The camera was turned off or unplugged. Plug it in and try again."));
  press("mirror", stream.getVideoTracks()[0].getSettings().facingMode !== "environment");
  eye.srcObject = stream;
  await begin();
  await cameras();
}

async function play(file) {
  stop();
  fileUrl = URL.createObjectURL(file);
  eye.src = fileUrl;
  eye.loop = true;
  press("mirror", false);
  await begin(`This browser cannot play ${file.name}; try an .mp4 or .webm.`);
}

async function begin(sentence) {
  try {
    await eye.play();
  } catch (error) {
    if (error.name !== "AbortError") fail(sentence ?? `The camera does not start (${error.message}).`);
    return;
  }
  const scale = Math.min(1, LARGEST / Math.max(eye.videoWidth, eye.videoHeight));
  view.width = Math.round(eye.videoWidth * scale);
  view.height = Math.round(eye.videoHeight * scale);
  running = true;
  arrivals = []; latencies = [];
  $("card").hidden = true;
  $("bar").hidden = view.hidden = false;
  settle();
  watch();
}

function watch() {
  const next = () => { fresh = true; send(); if (running) wait(); };
  const wait = () => (eye.requestVideoFrameCallback ? eye.requestVideoFrameCallback(next) : setTimeout(next, 1000 / 30));
  wait();
}

function stop() {
  running = false;
  if (recorder) record();
  stream?.getTracks().forEach((track) => track.stop());
  stream = null;
  eye.pause();
  eye.srcObject = null;
  eye.removeAttribute("src");
  if (fileUrl) URL.revokeObjectURL(fileUrl);
  fileUrl = "";
  sent.clear();
  $("card").hidden = false;
  $("bar").hidden = view.hidden = true;
  figure();
}

function fail(sentence) {
  stop();
  $("why").textContent = sentence;
  $("why").classList.add("bad");
  $("start").textContent = "Try again";
}

async function cameras() {
  const found = (await navigator.mediaDevices.enumerateDevices()).filter((one) => one.kind === "videoinput" && one.deviceId);
  const using = stream?.getVideoTracks()[0].getSettings().deviceId;
  $("camera").replaceChildren(...found.map((one, at) => new Option(one.label || `Camera ${at + 1}`, one.deviceId, false, one.deviceId === using)));
  if (!found.length) $("camera").append(new Option("The usual one", ""));
}

// --- snapshot, recording, full screen --------------------------------------------------------------------------

function keep(blob, suffix) {
  const link = document.createElement("a"), when = new Date().toISOString().slice(0, 19).replace(/[-:]/g, "").replace("T", "-");
  link.href = URL.createObjectURL(blob);
  link.download = `artkit-${look.style}-${when}.${suffix}`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  say(`saved ${link.download}`);
}

const snapshot = () => running && view.toBlob((blob) => keep(blob, "png"), "image/png");

function record() {
  if (recorder) { recorder.stop(); return; }
  if (!running) return;
  const kind = ["video/mp4;codecs=avc1.42E01F", "video/webm;codecs=vp9", "video/webm"].find((one) => window.MediaRecorder?.isTypeSupported(one));
  if (!kind) { say("This browser cannot record."); return; }
  const parts = [];
  recorder = new MediaRecorder(view.captureStream(30), { mimeType: kind, videoBitsPerSecond: 6e6 });
  recorder.ondataavailable = ({ data }) => data.size && parts.push(data);
  recorder.onstop = () => {
    recorder = null;
    $("recording").hidden = true;
    press("rec", false);
    keep(new Blob(parts, { type: kind }), kind.startsWith("video/mp4") ? "mp4" : "webm");
  };
  recorder.start(1000);
  recordingSince = performance.now();
  $("recording").hidden = false;
  press("rec", true);
}

function fullScreen() {
  if (document.fullscreenElement) document.exitFullscreen();
  else if ($("stage").requestFullscreen) $("stage").requestFullscreen().catch(() => say("This page may not be shown full screen."));
  else say("This browser cannot show it full screen.");
}

// --- what the person sees and touches --------------------------------------------------------------------------

let quiet = 0;
function say(text) {
  $("said").textContent = text;
  clearTimeout(quiet);
  if (text && !text.endsWith("…")) quiet = setTimeout(() => { $("said").textContent = ""; }, 6000);
}

const pressed = (id) => $(id).getAttribute("aria-pressed") === "true";
const press = (id, on) => $(id).setAttribute("aria-pressed", String(on));

function fill(found) {
  styles = found;
  names = found.map((style) => style.name);
  if (!names.includes(look.style)) look.style = names[0] ?? "";
  $("styles").replaceChildren(...found.map((style) => {
    const button = document.createElement("button"), image = document.createElement("img"), name = document.createElement("span");
    button.type = "button";
    button.dataset.name = style.name;
    button.title = [style.title, style.artist].filter(Boolean).join(", ");
    button.setAttribute("aria-label", button.title);
    image.src = `live/styles/${style.name}.jpg`;
    image.alt = "";
    image.loading = "lazy";
    image.onerror = () => image.remove();
    name.textContent = style.title;
    button.append(image, name);
    button.onclick = () => choose(style.name);
    return button;
  }));
  $("second").append(...found.map((style) => new Option(style.title, style.name)));
  choose(look.style);
  if (!names.length) say("No styles are installed yet: artkit styles add …");
}

function choose(name) {
  look.style = name;
  for (const button of $("styles").children) button.setAttribute("aria-pressed", String(button.dataset.name === name));
  bringIntoSight($("styles").querySelector('[aria-pressed="true"]'));
  const style = styles.find((one) => one.name === name);
  if (look.strength === null && style) { $("strength").value = style.strength; told(); }
  settle();
}

function bringIntoSight(button) {  // within the list alone: scrollIntoView would move the page around it too
  if (!button) return;
  const list = $("styles"), box = button.getBoundingClientRect(), frame = list.getBoundingClientRect();
  if (box.top < frame.top || box.bottom > frame.bottom) list.scrollTop += box.top - frame.top - (frame.height - box.height) / 2;
  if (box.left < frame.left || box.right > frame.right) list.scrollLeft += box.left - frame.left - (frame.width - box.width) / 2;
}

function told() {
  const percent = (value) => `${Math.round(100 * value)} %`;
  $("strength-is").value = percent($("strength").value);
  $("stroke-is").value = `${(2 ** $("stroke").value).toFixed(2).replace(/\.?0+$/, "")} ×`;
  $("share-is").value = percent($("share").value);
  $("smoothing-is").value = percent($("smoothing").value);
  $("feedback-is").value = +$("feedback").value ? percent($("feedback").value) : "off";
  $("share-field").hidden = !look.second;
}

for (const id of ["strength", "stroke", "share", "smoothing", "feedback"])
  $(id).addEventListener("input", () => { look[id] = +$(id).value; told(); settle(); });
$("second").addEventListener("change", () => { look.second = $("second").value; told(); settle(); });
$("fps").addEventListener("change", () => { look.fps = +$("fps").value; settle(); });
$("plan").addEventListener("change", () => { look.plan = $("plan").value; settle(); });
$("camera").addEventListener("change", () => { if (running) start(); });
$("start").onclick = start;
$("file").onclick = () => $("pick").click();
$("pick").onchange = () => { if ($("pick").files[0]) play($("pick").files[0]); $("pick").value = ""; };
$("stop").onclick = () => { stop(); $("start").textContent = "Turn on the camera"; };
$("shot").onclick = snapshot;
$("rec").onclick = record;
$("full").onclick = fullScreen;
for (const id of ["split", "mirror"]) $(id).onclick = () => press(id, !pressed(id));

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName) && event.target.type !== "range") return;
  const step = { n: 1, p: -1 }[event.key];
  if (step && names.length) choose(names[(names.indexOf(look.style) + step + names.length) % names.length]);
  else ({ s: snapshot, r: record, f: fullScreen, v: $("split").onclick, x: $("mirror").onclick })[event.key]?.();
});

told();
setInterval(figure, 500);
setInterval(send, 1000);  // so that a lost answer does not end it
connect();
