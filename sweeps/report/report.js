"use strict";
// The pictures are drawn by Matplotlib; this only shows, hides and reads.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const byId = (id) => document.getElementById(id);
  const controls = byId("controls");
  const pictures = [...document.querySelectorAll(".picture")];
  const SVG = "http://www.w3.org/2000/svg";
  let metric = controls.elements.metric.value ?? pictures[0].dataset.metric;
  let chosen = null; // [i, j] under the pointer or the arrow keys
  let kept = null; // [i, j] that was clicked

  controls.hidden = false;
  byId("readout").hidden = false;

  function element(name, attributes, parent, text) {
    const made = document.createElement(name);
    Object.assign(made, attributes);
    if (text !== undefined) made.textContent = text;
    parent?.append(made);
    return made;
  }

  function drawn(name, attributes, parent, text) {
    const made = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    if (text !== undefined) made.textContent = text;
    parent.append(made);
    return made;
  }

  function showMetric() {
    for (const picture of pictures) picture.hidden = picture.dataset.metric !== metric;
    outline();
    read();
  }

  function showLayers() {
    for (const box of controls.querySelectorAll("input[name=layer]")) {
      for (const name of Object.keys(data.metrics)) {
        for (const part of document.querySelectorAll(`[id^="${name}-${box.value}"]`)) {
          part.classList.toggle("off", !box.checked);
        }
      }
    }
  }

  function outline() {
    for (const old of document.querySelectorAll(".outline")) old.remove();
    const cell = chosen ?? kept;
    const picture = pictures.find((one) => one.dataset.metric === metric);
    if (!cell || !picture) return;
    const map = picture.querySelector("svg");
    const [across, down] = edges(map);
    const [i, j] = cell;
    drawn("path", { class: "outline", d: `M${across[j]} ${down[i + 1]}H${across[j + 1]}V${down[i]}H${across[j]}z` }, map);
  }

  const edges = (map) => [map.dataset.across, map.dataset.down].map((text) => text.split(" ").map(Number));

  const figure = (value, digits) => (value === null || value === undefined ? "–" : value.toFixed(digits));

  function read() {
    const cell = chosen ?? kept;
    const box = byId("cell");
    if (!cell) return;
    const [i, j] = cell;
    box.replaceChildren();
    element("p", {}, box, `${data.y.name}: ${data.y.ticks[i]}`);
    element("p", {}, box, `${data.x.name}: ${data.x.ticks[j]}`);
    const kind = data.kinds[data.kind[i][j]];
    const one = data.metrics[metric];
    const mean = one.mean[i][j];
    const spread = one.sd === null ? null : one.sd[i][j];
    const value = mean === null ? kind.state : `${figure(mean, 3)}${spread === null ? "" : ` ± ${figure(spread, 3)}`}`;
    element("p", {}, element("div", {}, box), `${one.title}: ${value}`).style.fontWeight = "600";
    const seeds = kind.counts.map((n, k) => (n ? `${n} ${data.outcomes[k]}` : "")).filter(Boolean).join(", ");
    element("p", { className: "small" }, box, `seeds: ${seeds}`);
    const xi = data.xi[j];
    const regime = data.regime[j];
    if (xi !== null && data.y.depth) {
      element("p", { className: "small" }, box,
        `depth = ${figure(Number(data.y.ticks[i]) / xi, 1)} ξ (ξ = ${figure(xi, 2)}, ${regime})`);
    } else if (regime === "critical") {
      element("p", { className: "small" }, box, "critical: ξ is infinite");
    }
    if (kind.float32) {
      element("p", { className: "small" }, box, "gradients beyond float32's range: what is seen here may be the arithmetic's");
    }
  }

  // The loss curves: on the page, or of a large map in a file beside it, which is read once the first is asked for.
  let steps = null; // the lists of steps that curves refer to; null until the curves are there
  const curvesOf = new Map();

  function take(found) {
    steps = found.steps;
    for (const [i, j, seed, outcome, diverged_at, which, loss] of found.cells) {
      const square = `${i}-${j}`;
      if (!curvesOf.has(square)) curvesOf.set(square, []);
      curvesOf.get(square).push({ seed, outcome: data.outcomes[outcome], diverged_at, steps: steps[which], loss });
    }
  }

  if (data.curves_file === null) take(JSON.parse(byId("loss-curves").textContent));
  window.phasemapCurves = (found) => { // what the file beside the page calls
    take(found);
    curves();
  };

  let asked = null; // the script that reads the file
  function askForCurves(box) {
    const said = element("p", { className: "small" }, box, `Reading ${data.curves_file} …`);
    asked ??= element("script", { src: encodeURIComponent(data.curves_file) }, document.head);
    asked.addEventListener("error", () => {
      said.textContent = `They are in ${data.curves_file}, which is not beside this page.`;
      asked = null; // another click tries again
    });
  }

  function curves() {
    const box = byId("curves");
    box.replaceChildren();
    if (!kept) return;
    element("h3", {}, box,
      `Training loss at ${data.y.name} ${data.y.ticks[kept[0]]}, ${data.x.name} ${data.x.ticks[kept[1]]}`);
    if (steps === null) {
      askForCurves(box);
      return;
    }
    const found = curvesOf.get(`${kept[0]}-${kept[1]}`) ?? [];
    const points = found.flatMap((curve) =>
      curve.loss.map((loss, k) => [curve.steps[k], loss]).filter((point) => point[1] !== null));
    if (!points.length) {
      element("p", { className: "small" }, box, "No loss was recorded.");
    } else {
      const last = Math.max(1, ...points.map((point) => point[0]));
      const top = Math.max(1e-9, ...points.map((point) => point[1]));
      const picture = drawn("svg", { viewBox: "0 0 260 150", role: "img" }, box);
      picture.setAttribute("aria-label", `Loss over steps, ${found.length} seed${found.length === 1 ? "" : "s"}, largest ${top.toPrecision(3)}`);
      drawn("rect", { class: "frame", x: 34, y: 8, width: 218, height: 118 }, picture);
      drawn("text", { x: 30, y: 16, "text-anchor": "end" }, picture, top.toPrecision(2));
      drawn("text", { x: 30, y: 126, "text-anchor": "end" }, picture, "0");
      drawn("text", { x: 252, y: 142, "text-anchor": "end" }, picture, `${last} steps`);
      for (const curve of found) {
        const path = curve.loss
          .map((loss, k) => (loss === null ? "" : `${34 + (218 * curve.steps[k]) / last},${126 - (118 * loss) / top}`))
          .filter(Boolean).join(" ");
        const failed = curve.outcome === "finished" ? "" : " failed";
        const line = drawn("polyline", { class: `loss${failed}`, points: path }, picture);
        drawn("title", {}, line, `seed ${curve.seed}: ${curve.outcome}`);
      }
    }
    for (const curve of found) {
      const when = curve.diverged_at === null ? "" : ` at step ${curve.diverged_at}`;
      element("p", { className: "small" }, box, `seed ${curve.seed}: ${curve.outcome}${when}`);
    }
  }

  // The square of an event: the one that it is on, or on a map whose squares are one image the one at its place.
  const place = (event, map) => {
    const found = /-cell-(\d+)-(\d+)$/.exec(event.target.id ?? "");
    if (found) return [Number(found[1]), Number(found[2])];
    const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(map.getScreenCTM().inverse());
    const [across, down] = edges(map);
    const i = down.findLastIndex((edge) => edge >= at.y);
    const j = across.findLastIndex((edge) => edge <= at.x);
    return i < 0 || j < 0 || i >= down.length - 1 || j >= across.length - 1 ? null : [i, j];
  };

  function choose(cell) {
    if (String(cell) === String(chosen)) return;
    chosen = cell;
    outline();
    read();
  }

  for (const picture of pictures) {
    const map = picture.querySelector("svg");
    map.setAttribute("tabindex", "0");
    map.setAttribute("role", "application"); // so that a screen reader leaves the arrow keys to the map
    map.setAttribute("aria-roledescription", "heat map");
    map.setAttribute("aria-describedby", `${map.getAttribute("aria-describedby")} keys`);
    for (const moved of ["pointerover", "pointermove"]) map.addEventListener(moved, (event) => choose(place(event, map)));
    map.addEventListener("pointerleave", () => choose(null));
    map.addEventListener("click", (event) => {
      kept = place(event, map) ?? kept;
      curves();
    });
    map.addEventListener("keydown", (event) => {
      const moves = { ArrowUp: [1, 0], ArrowDown: [-1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
      const [i, j] = chosen ?? kept ?? [0, 0];
      if (event.key in moves) {
        const [di, dj] = moves[event.key];
        const fits = (value, count) => Math.min(count - 1, Math.max(0, value));
        choose(chosen || kept ? [fits(i + di, data.y.ticks.length), fits(j + dj, data.x.ticks.length)] : [0, 0]);
      } else if (event.key === "Enter" || event.key === " ") {
        kept = [i, j];
        choose(kept);
        curves();
      } else if (event.key === "Escape") {
        kept = chosen = null;
        outline();
        curves();
      } else {
        return;
      }
      event.preventDefault();
    });
  }

  addEventListener("beforeprint", () => byId("experiment")?.setAttribute("open", "")); // on paper it cannot be opened

  controls.addEventListener("change", () => {
    metric = controls.elements.metric.value;
    showMetric();
    showLayers();
  });
  showMetric();
  showLayers();
})();
