// A canvas that shows a photo with its masks, and turns what the pointer does into strokes. Points of strokes and the
// width of the brush are in the photo's pixels, whatever the size of the picture that is shown.

const CLOSE = 9; // pixels of the screen from a polygon's first corner that close it
const TRACE = 5; // pixels of the screen between the corners of an outline drawn by hand
const SHADE = 0.55; // how much of the photo a mask covers

export class Board {
  constructor(canvas, { onStroke, onSize }) {
    Object.assign(this, { canvas, onStroke, onSize, tool: "polygon", action: "", size: 24, hidden: false });
    this.clearPhoto();
    this.pen = canvas.getContext("2d");
    new ResizeObserver(() => this.fit()).observe(canvas);
    canvas.addEventListener("pointerdown", (event) => this.down(event));
    canvas.addEventListener("pointermove", (event) => this.move(event));
    canvas.addEventListener("pointerup", (event) => this.up(event));
    canvas.addEventListener("pointercancel", (event) => this.up(event));
    canvas.addEventListener("pointerleave", () => { this.cursor = null; this.draw(); });
    canvas.addEventListener("dblclick", () => this.closePolygon());
    canvas.addEventListener("contextmenu", (event) => event.preventDefault());
    canvas.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
  }

  clearPhoto() {
    Object.assign(this, { image: null, strokes: [], layers: new Map(), corners: [], line: null, drag: null, cursor: null });
  }

  // Show a photo of width x height pixels; `image` may be smaller. `colours`: by action.
  show(image, width, height, strokes, colours) {
    this.clearPhoto();
    Object.assign(this, { image, width, height, colours });
    this.setStrokes(strokes);
    this.fit();
  }

  // Replace all strokes; of the actions named (default: all) the masks are drawn anew.
  setStrokes(strokes, actions = new Set([...this.layers.keys(), ...strokes.map((stroke) => stroke.action)])) {
    this.strokes = strokes;
    for (const action of actions) this.layers.delete(action);
    for (const stroke of strokes) if (actions.has(stroke.action)) this.paint(stroke);
    this.draw();
  }

  layer(action) {
    if (!this.layers.has(action)) {
      const canvas = new OffscreenCanvas(this.image.naturalWidth, this.image.naturalHeight);
      const pen = canvas.getContext("2d");
      const scale = canvas.width / this.width;
      pen.setTransform(scale, 0, 0, scale, 0, 0);
      pen.lineCap = pen.lineJoin = "round";
      pen.fillStyle = pen.strokeStyle = this.colours.get(action);
      this.layers.set(action, pen);
    }
    return this.layers.get(action);
  }

  paint({ action, tool, size, points }) {
    const pen = this.layer(action);
    if (tool === "clear") return pen.clearRect(0, 0, this.width, this.height);
    pen.globalCompositeOperation = tool === "eraser" ? "destination-out" : "source-over";
    pen.lineWidth = size;
    pen.beginPath();
    for (const [x, y] of points) pen.lineTo(x, y);
    if (tool === "polygon") pen.fill();
    else {
      if (points.length === 1) pen.lineTo(points[0][0] + 0.01, points[0][1]);
      pen.stroke();
    }
  }

  finishStroke(stroke) {
    if (stroke.points.length > 20000) stroke.points.length = 20000;
    this.onStroke(stroke);
  }

  // --- the view -----------------------------------------------------------------------------------------------

  fit() {
    const ratio = window.devicePixelRatio || 1;
    this.canvas.width = Math.max(1, this.canvas.clientWidth * ratio);
    this.canvas.height = Math.max(1, this.canvas.clientHeight * ratio);
    if (this.image) {
      const { clientWidth: w, clientHeight: h } = this.canvas;
      this.zoom = this.whole = 0.96 * Math.min(w / this.width, h / this.height);
      this.left = (w - this.width * this.zoom) / 2;
      this.top = (h - this.height * this.zoom) / 2;
    }
    this.draw();
  }

  zoomBy(factor, [x, y] = [this.canvas.clientWidth / 2, this.canvas.clientHeight / 2]) {
    if (!this.image) return;
    const zoom = Math.min(Math.max(this.zoom * factor, this.whole / 4), Math.max(32, this.whole));
    this.left = x - ((x - this.left) * zoom) / this.zoom;
    this.top = y - ((y - this.top) * zoom) / this.zoom;
    this.zoom = zoom;
    this.draw();
  }

  wheel(event) {
    event.preventDefault();
    const turn = Math.max(-1, Math.min(1, (event.deltaY || event.deltaX) / 60));
    if (event.shiftKey) this.onSize(Math.pow(1.15, -turn));
    else this.zoomBy(Math.pow(1.25, -turn), [event.offsetX, event.offsetY]);
  }

  draw() {
    this.asked ??= requestAnimationFrame(() => { this.asked = null; this.drawNow(); });
  }

  drawNow() {
    const { pen, canvas } = this, ratio = window.devicePixelRatio || 1;
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.clearRect(0, 0, canvas.width, canvas.height);
    if (!this.image) return;
    pen.setTransform(ratio * this.zoom, 0, 0, ratio * this.zoom, ratio * this.left, ratio * this.top);
    pen.imageSmoothingEnabled = this.zoom * this.width < 4 * this.image.naturalWidth;
    pen.drawImage(this.image, 0, 0, this.width, this.height);
    if (!this.hidden) {
      // The chosen action lies on top.
      const order = [...this.layers.keys()].sort((one, other) => (one === this.action) - (other === this.action));
      for (const action of order) {
        pen.globalAlpha = action === this.action ? SHADE : SHADE / 2;
        pen.drawImage(this.layers.get(action).canvas, 0, 0, this.width, this.height);
      }
      pen.globalAlpha = 1;
      if (this.layers.has(this.action)) this.drawOutline(ratio, this.layers.get(this.action).canvas);
    }
    this.drawPolygon(ratio);
    this.drawCursor(ratio);
  }

  // A white line around a mask: the mask moved to all sides, without the mask itself.
  drawOutline(ratio, mask) {
    const { width, height } = this.canvas;
    this.outline ??= new OffscreenCanvas(width, height).getContext("2d");
    const pen = this.outline, place = [this.left, this.top, this.width * this.zoom, this.height * this.zoom];
    Object.assign(pen.canvas, { width, height }); // which also clears it
    const draw = (right, down) => pen.drawImage(mask, place[0] * ratio + right, place[1] * ratio + down, place[2] * ratio, place[3] * ratio);
    for (const [right, down] of [[1, 1], [1, -1], [-1, 1], [-1, -1]]) draw(right * ratio, down * ratio);
    pen.globalCompositeOperation = "source-in";
    pen.fillStyle = "#fff";
    pen.fillRect(0, 0, width, height);
    pen.globalCompositeOperation = "destination-out";
    draw(0, 0);
    this.pen.setTransform(1, 0, 0, 1, 0, 0);
    this.pen.drawImage(pen.canvas, 0, 0);
  }

  drawPolygon(ratio) {
    if (!this.corners.length) return;
    const { pen } = this;
    const ends = this.corners.map((point) => this.screen(point, ratio));
    pen.setTransform(1, 0, 0, 1, 0, 0);
    for (const [colour, width] of [["#000", 4], [this.colours.get(this.action), 2]]) {
      pen.strokeStyle = colour;
      pen.lineWidth = width * ratio;
      pen.beginPath();
      for (const end of ends) pen.lineTo(...end);
      if (this.cursor) pen.lineTo(...this.screen(this.cursor, ratio));
      pen.stroke();
    }
    for (const [place, [x, y]] of ends.entries()) {
      pen.beginPath();
      pen.arc(x, y, (place ? 3 : 6) * ratio, 0, 7);
      pen.fillStyle = "#fff";
      pen.fill();
    }
  }

  drawCursor(ratio) {
    if (!this.cursor || this.tool === "polygon") return;
    const { pen } = this;
    pen.setTransform(1, 0, 0, 1, 0, 0);
    for (const [colour, width] of [["#000", 3], ["#fff", 1]]) {
      pen.beginPath();
      pen.arc(...this.screen(this.cursor, ratio), (this.size / 2) * this.zoom * ratio, 0, 7);
      pen.strokeStyle = colour;
      pen.lineWidth = width * ratio;
      pen.stroke();
    }
  }

  screen([x, y], ratio = 1) {
    return [(x * this.zoom + this.left) * ratio, (y * this.zoom + this.top) * ratio];
  }

  // A place of the pointer in the photo's pixels, to a tenth.
  place(event) {
    return [event.offsetX - this.left, event.offsetY - this.top].map((each) => Math.round((10 * each) / this.zoom) / 10);
  }

  // --- the pointer ---------------------------------------------------------------------------------------------

  down(event) {
    if (!this.image) return;
    this.canvas.focus();
    this.canvas.setPointerCapture(event.pointerId);
    if (event.button !== 0 || this.panning) {
      this.drag = [event.clientX, event.clientY];
    } else if (this.tool === "polygon") {
      this.addCorner(this.place(event));
    } else {
      this.line = { action: this.action, tool: this.tool, size: this.size, points: [this.place(event)] };
      this.paint(this.line);
    }
    this.draw();
  }

  move(event) {
    if (!this.image) return;
    if (this.drag) {
      this.left += event.clientX - this.drag[0];
      this.top += event.clientY - this.drag[1];
      this.drag = [event.clientX, event.clientY];
    } else if (this.line) {
      const last = this.line.points.at(-1), here = this.place(event);
      if (Math.hypot(here[0] - last[0], here[1] - last[1]) >= Math.max(1 / this.zoom, this.size / 16)) {
        this.line.points.push(here);
        this.paint({ ...this.line, points: [last, here] });
      }
    } else if (this.corners.length && event.buttons & 1) {
      const here = this.place(event);
      if (this.distance(here, this.corners.at(-1)) > TRACE) this.corners.push(here);
    }
    this.cursor = this.place(event);
    this.draw();
  }

  up(event) {
    this.drag = null;
    if (this.line) {
      const line = this.line;
      this.line = null;
      this.finishStroke(line);
    } else if (this.corners.length > 8 && event.button === 0 && this.distance(this.place(event), this.corners[0]) < 2 * CLOSE) {
      this.closePolygon(); // an outline drawn by hand that has come round
    }
    this.draw();
  }

  distance(one, other) {
    return Math.hypot(one[0] - other[0], one[1] - other[1]) * this.zoom;
  }

  addCorner(point) {
    if (this.corners.length > 2 && this.distance(point, this.corners[0]) < CLOSE) return this.closePolygon();
    // A double click gives its place twice.
    if (!this.corners.length || this.distance(point, this.corners.at(-1)) > 2) this.corners.push(point);
  }

  closePolygon() {
    const points = this.corners;
    this.corners = [];
    if (points.length > 2) this.finishStroke({ action: this.action, tool: "polygon", size: 0, points });
    this.draw();
  }

  // Take back the last corner of an unfinished polygon, or all of them; whether there was one.
  takeBack(all) {
    const any = this.corners.length > 0;
    this.corners = all ? [] : this.corners.slice(0, -1);
    this.draw();
    return any;
  }
}
