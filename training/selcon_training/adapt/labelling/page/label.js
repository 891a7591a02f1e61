// The page: which photo and action are chosen, what is drawn, and that it is kept on the disk.

import { Board } from "./board.js";

const SAVE_AFTER = 250; // milliseconds after the last change
const MARKS = { open: "", done: "✓", nothing: "∅", again: "look again" };
const find = (id) => document.getElementById(id);
const state = { photos: [], actions: [], at: -1, revision: 0, redone: [], dirty: false, conflict: false, refused: false };
const board = new Board(find("board"), { onStroke: add, onSize: (factor) => setSize(board.size * factor) });
let timer = null, saving = null, opening = 0;

async function ask(path, options) {
  let answer;
  try {
    answer = await fetch(path, options);
  } catch {
    throw new Error("`selcon data label` does not answer: start it again, and open the address that it prints");
  }
  const value = await answer.json();
  if (!answer.ok) throw Object.assign(new Error(value.error), { status: answer.status });
  return value;
}

// --- photos ------------------------------------------------------------------------------------------------------

async function open(number) {
  const turn = ++opening;
  board.closePolygon();
  if (!(await save()) || turn !== opening) return;
  Object.assign(state, { at: number, refused: false });
  board.clearPhoto();
  board.draw();
  board.canvas.ariaBusy = "true";
  banner("");
  const photo = state.photos[number];
  find("place").textContent = `${number + 1} of ${state.photos.length}: ${photo.name}`;
  try {
    const image = new Image();
    image.src = `photo/${number}`;
    const drawing = await ask(`drawing/${number}`);
    await image.decode().catch(async () => { await ask(`photo/${number}`); });
    if (turn !== opening) return;
    state.redone = [];
    take(drawing);
    const share = board.width ? board.size / board.width : 1 / 40;
    board.show(image, drawing.width, drawing.height, drawing.strokes, state.colours);
    setSize(drawing.width * share);
    board.canvas.ariaBusy = "false";
    new Image().src = `photo/${Math.min(number + 1, state.photos.length - 1)}`;
  } catch (error) {
    if (turn === opening) banner(error.message);
  }
  show();
}

function take(drawing) {
  state.revision = drawing.revision;
  find("object").value = drawing.object;
  find("nothing").checked = drawing.nothing;
  state.photos[state.at].state = drawing.state;
  state.conflict = false;
}

const move = (step) => { if (state.photos[state.at + step]) leave(state.at + step); };

// A photo that was labelled before an action was added is looked at when it is left.
function leave(number) {
  if (board.image && state.photos[state.at]?.state === "again") state.dirty = true;
  return open(number);
}

// --- what is drawn -----------------------------------------------------------------------------------------------

function add(stroke) {
  state.redone = [];
  set([...board.strokes, stroke], stroke.action);
}

function undo() {
  if (board.takeBack(false) || !board.strokes.length) return;
  const stroke = board.strokes.at(-1);
  state.redone.push(stroke);
  set(board.strokes.slice(0, -1), stroke.action);
}

function redo() {
  const stroke = state.redone.pop();
  if (stroke) set([...board.strokes, stroke], stroke.action);
}

function set(strokes, action) {
  board.setStrokes(strokes, new Set([action]));
  if (drawn().size) find("nothing").checked = false;
  changed();
}

function setNothing(nothing) {
  if (!board.image) return;
  board.takeBack(true);
  if (nothing) for (const { name } of state.actions) if (drawn().has(name)) add({ action: name, tool: "clear", size: 0, points: [] });
  find("nothing").checked = nothing;
  changed();
}

// The actions for which something is drawn that is not taken away again.
function drawn() {
  const found = new Set();
  for (const { action, tool } of board.strokes) {
    if (tool === "clear") found.delete(action);
    else if (tool !== "eraser") found.add(action);
  }
  return found;
}

// --- keeping it --------------------------------------------------------------------------------------------------

function changed() {
  if (!board.image) return;
  state.dirty = true;
  clearTimeout(timer);
  timer = setTimeout(save, SAVE_AFTER);
  show();
}

// Save what has changed; whether all is saved.
async function save() {
  clearTimeout(timer);
  while (saving) await saving.catch(() => {});
  if (!state.dirty) return true;
  if (state.conflict || !board.image) return false;
  state.dirty = false;
  const number = state.at;
  const body = { revision: state.revision, object: find("object").value.trim(), nothing: find("nothing").checked, strokes: board.strokes };
  show("saving …");
  saving = ask(`drawing/${number}`, { method: "PUT", body: JSON.stringify(body), headers: { "Content-Type": "application/json" } });
  try {
    const kept = await saving;
    Object.assign(state, { revision: kept.revision, refused: false });
    Object.assign(state.photos[number], { state: kept.state, object: kept.object });
    banner(kept.problem);
  } catch (error) {
    state.dirty = true;
    state.conflict = error.status === 409;
    state.refused = error.status === 422;
    banner(`Not saved: ${error.message}`);
    return false;
  } finally {
    saving = null;
    show();
  }
  return save();
}

async function resolve(mine) {
  let drawing;
  try {
    drawing = await ask(`drawing/${state.at}`);
  } catch (error) {
    if (error.status === 422) { // the photo is gone: so is what is drawn on it, and others can be opened
      Object.assign(state, { dirty: false, conflict: false, refused: false });
      board.clearPhoto();
      board.draw();
    }
    return banner(error.message);
  }
  if (mine) Object.assign(state, { revision: drawing.revision, conflict: false, dirty: true });
  else {
    Object.assign(state, { dirty: false, refused: false });
    state.redone = [];
    take(drawing);
    board.setStrokes(drawing.strokes);
  }
  banner("");
  await save();
  show();
}

async function finish() {
  board.closePolygon();
  if (!(await save())) return;
  try {
    await ask("finish", { method: "PUT", body: "" });
  } catch (error) {
    return banner(error.message);
  }
  document.body.replaceChildren("All is saved. The command has ended and says what to do next; this page can be closed.");
  document.body.className = "ended";
}

// --- what the page shows -----------------------------------------------------------------------------------------

function banner(text) {
  find("banner").hidden = !text;
  find("banner").firstElementChild.textContent = text ?? "";
  find("theirs").hidden = !state.conflict && !state.refused;
  find("mine").hidden = !state.conflict;
}

function setSize(size) {
  board.size = Math.round(10 * Math.min(Math.max(size, 1), (board.width ?? 800) / 2)) / 10;
  find("size").max = Math.round((board.width ?? 800) / 4);
  find("size").value = board.size;
  board.draw();
}

function choose(kind, value) {
  board.closePolygon();
  board[kind] = value;
  show();
  board.draw();
}

function show(saved) {
  const marked = drawn();
  for (const button of find("actions").children) {
    button.ariaChecked = String(button.dataset.action === board.action);
    button.classList.toggle("drawn", marked.has(button.dataset.action));
  }
  for (const button of find("tools").children) button.ariaChecked = String(button.dataset.tool === board.tool);
  find("undo").disabled = !board.strokes.length;
  find("redo").disabled = !state.redone.length;
  find("saved").textContent = saved ?? (state.dirty ? "not saved yet" : state.revision ? "saved" : "");
  for (const [number, button] of [...find("photos").children].entries()) {
    const photo = state.photos[number];
    button.className = photo.state;
    button.querySelector("em").textContent = MARKS[photo.state];
    button.ariaChecked = String(number === state.at);
    if (number === state.at) button.scrollIntoView({ block: "nearest" });
  }
  const objects = [...new Set(state.photos.map((photo) => photo.object).filter(Boolean))];
  find("objects").replaceChildren(...objects.map((name) => new Option(name)));
}

function element(tag, text, more = {}) {
  return Object.assign(document.createElement(tag), { textContent: text }, more);
}

async function start() {
  Object.assign(state, await ask("photos"));
  state.colours = new Map(state.actions.map(({ name, colour }) => [name, colour]));
  find("actions").replaceChildren(...state.actions.map(({ name, colour }, place) => {
    const button = element("button", "", { role: "radio", onclick: () => choose("action", name) });
    button.dataset.action = name;
    button.append(element("i", ""), element("b", name), element("kbd", place < 9 ? String(place + 1) : ""));
    button.firstElementChild.style.background = colour;
    return button;
  }));
  find("photos").replaceChildren(...state.photos.map(({ name }, number) => {
    const button = element("button", "", { title: name, onclick: () => leave(number) });
    button.append(Object.assign(new Image(), { loading: "lazy", alt: "", src: `thumbnail/${number}` }), element("span", name), element("em", ""));
    return button;
  }));
  board.action = state.actions[0].name;
  const first = state.photos.findIndex((photo) => photo.state === "open" || photo.state === "again");
  await open(Math.max(first, 0));
  if (state.photos.every((photo) => photo.state === "open")) find("keys").showModal();
}

const KEYS = {
  p: () => choose("tool", "polygon"), b: () => choose("tool", "brush"), e: () => choose("tool", "eraser"),
  "[": () => setSize(board.size / 1.2), "]": () => setSize(board.size * 1.2),
  "+": () => board.zoomBy(1.25), "=": () => board.zoomBy(1.25), "-": () => board.zoomBy(0.8), 0: () => board.fit(),
  n: () => move(1), pagedown: () => move(1), pageup: () => move(-1), x: () => setNothing(!find("nothing").checked),
  enter: () => board.closePolygon(), escape: () => board.takeBack(true), backspace: () => board.takeBack(false),
  "?": () => find("keys").showModal(),
};

document.addEventListener("keydown", (event) => {
  if (event.target.matches("input[type=text]") || find("keys").open) return;
  const key = event.key.toLowerCase(), control = event.ctrlKey || event.metaKey;
  if (control && (key === "z" || key === "y")) (key === "y" || event.shiftKey ? redo : undo)();
  else if (control || event.altKey) return;
  else if (key === " " && event.target.matches("button, input")) return;
  else if (key === " ") board.panning = true;
  else if (key === "h") { board.hidden = true; board.draw(); }
  else if (/^[1-9]$/.test(key) && state.actions[key - 1]) choose("action", state.actions[key - 1].name);
  else if (KEYS[key] && !(key === "enter" && event.target.matches("button"))) KEYS[key]();
  else return;
  event.preventDefault();
});
document.addEventListener("keyup", ({ key }) => {
  if (key === " ") board.panning = false;
  if (key.toLowerCase() === "h") { board.hidden = false; board.draw(); }
});
window.addEventListener("beforeunload", (event) => { if (state.dirty) event.preventDefault(); });

const CLICKS = {
  previous: () => move(-1), next: () => move(1), undo, redo, fit: () => board.fit(), finish, help: KEYS["?"],
  clear: () => add({ action: board.action, tool: "clear", size: 0, points: [] }),
  theirs: () => resolve(false), mine: () => resolve(true),
};
for (const [id, act] of Object.entries(CLICKS)) find(id).addEventListener("click", act);
for (const button of find("tools").children) button.addEventListener("click", () => choose("tool", button.dataset.tool));
find("size").addEventListener("input", () => setSize(Number(find("size").value)));
find("object").addEventListener("input", changed);
find("nothing").addEventListener("change", () => setNothing(find("nothing").checked));
start().catch((error) => banner(error.message));
