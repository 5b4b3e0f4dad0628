(() => {
  "use strict";
  const gallery = document.querySelector(".gallery");
  if (!gallery) return;
  const root = document.documentElement;
  const names = JSON.parse(gallery.dataset.names);
  const output = gallery.querySelector("[data-zoom]");
  const [left, right] = ["left", "right"].map((side) => gallery.querySelector(`[data-side=${side}]`));
  const scenes = [...gallery.querySelectorAll(".scene")].map((scene) => ({
    stage: scene.querySelector(".stage"),
    slider: scene.querySelector(".slider"),
    layers: [...scene.querySelectorAll(".layer")],
  }));
  const ZOOMS = [1, 1.5, 2, 3, 4, 6, 8];
  const PIXELS = 3; // from here on single pixels are shown as squares
  const NEAR = 28; // CSS pixels from the divider within which a drag takes it
  const view = { zoom: 1, x: 0.5, y: 0.5 }; // the centre, as a share of the picture

  const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

  function show() {
    for (const { stage, slider, layers } of scenes) {
      layers.forEach((layer, number) => {
        layer.classList.toggle("left", number === left.selectedIndex && left.selectedIndex !== right.selectedIndex);
        layer.classList.toggle("right", number === right.selectedIndex);
      });
      stage.style.setProperty("--split", `${slider.value}%`);
      const [one, other] = [names[left.selectedIndex], names[right.selectedIndex]];
      slider.setAttribute("aria-valuetext", `${slider.value} % ${one}, ${100 - slider.value} % ${other}`);
    }
  }

  function zoomTo(zoom, x = view.x, y = view.y) {
    const half = 0.5 / zoom;
    Object.assign(view, { zoom, x: clamp(x, half, 1 - half), y: clamp(y, half, 1 - half) });
    root.style.setProperty("--zoom", zoom);
    root.style.setProperty("--x", `${(0.5 - view.x * zoom) * 100}%`);
    root.style.setProperty("--y", `${(0.5 - view.y * zoom) * 100}%`);
    root.classList.toggle("zoomed", zoom > 1);
    root.classList.toggle("pixels", zoom >= PIXELS);
    const text = `${zoom}\u00d7`;
    if (output.textContent !== text) output.textContent = text;
  }

  function step(by) {
    const place = ZOOMS.indexOf(view.zoom) + by;
    zoomTo(ZOOMS[clamp(place, 0, ZOOMS.length - 1)]);
  }

  function swap() {
    [left.selectedIndex, right.selectedIndex] = [right.selectedIndex, left.selectedIndex];
    show();
  }

  const ACTIONS = { in: () => step(1), out: () => step(-1), reset: () => zoomTo(1, 0.5, 0.5), swap };
  const KEYS = { "+": ACTIONS.in, "=": ACTIONS.in, "-": ACTIONS.out, 0: ACTIONS.reset, s: swap };
  const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

  function dragged({ stage, slider }) {
    let drag = null;
    const at = (event) => {
      const box = stage.getBoundingClientRect();
      return { x: (event.clientX - box.left) / box.width, y: (event.clientY - box.top) / box.height, box };
    };
    const split = (place) => {
      slider.value = Math.round(clamp(place.x, 0, 1) * 100);
      show();
    };
    stage.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      const place = at(event);
      const isNear = Math.abs(place.x - slider.value / 100) * place.box.width < NEAR;
      drag = { isSplit: view.zoom === 1 || isNear, from: place, x: view.x, y: view.y };
      stage.setPointerCapture(event.pointerId);
      if (drag.isSplit) split(place);
    });
    stage.addEventListener("pointermove", (event) => {
      if (!drag) return;
      const place = at(event);
      if (drag.isSplit) split(place);
      else zoomTo(view.zoom, drag.x - (place.x - drag.from.x) / view.zoom, drag.y - (place.y - drag.from.y) / view.zoom);
    });
    for (const end of ["pointerup", "pointercancel"]) stage.addEventListener(end, () => { drag = null; });
    stage.addEventListener("dblclick", (event) => {
      const place = at(event);
      if (view.zoom > 1) zoomTo(1, 0.5, 0.5);
      else zoomTo(4, place.x, place.y);
    });
    stage.addEventListener("keydown", (event) => {
      const arrow = ARROWS[event.key];
      if (!arrow || event.ctrlKey || event.metaKey || event.altKey) return;
      if (view.zoom > 1) zoomTo(view.zoom, view.x + (arrow[0] * 0.15) / view.zoom, view.y + (arrow[1] * 0.15) / view.zoom);
      else if (arrow[0]) { slider.value = Number(slider.value) + 5 * arrow[0]; show(); }
      else return;
      event.preventDefault();
    });
    slider.addEventListener("input", show);
  }

  scenes.forEach(dragged);
  for (const select of [left, right]) select.addEventListener("change", show);
  for (const button of gallery.querySelectorAll("[data-do]")) button.addEventListener("click", ACTIONS[button.dataset.do]);
  document.addEventListener("keydown", (event) => {
    const action = KEYS[event.key.toLowerCase()];
    const isWritten = event.target.closest("select, textarea, input:not([type=range])");
    if (!action || isWritten || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    action();
  });
  root.classList.add("live");
  zoomTo(1);
  show();
})();
