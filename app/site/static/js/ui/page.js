// Small things that the parts of the page have in common.

export const byId = (id) => document.getElementById(id);

/** An element with properties; `data` becomes its data attributes. */
export function make(tag, properties = {}, ...children) {
  const { data = {}, ...rest } = properties;
  const element = Object.assign(document.createElement(tag), rest);
  Object.assign(element.dataset, data);
  element.append(...children);
  return element;
}

/** Gives the person a file. */
export function download(blob, name) {
  const link = make("a", { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

/** Keeps one of a group of buttons chosen, for the keyboard and screen readers too. */
export function choose(group, chosen) {
  const buttons = [...group.querySelectorAll("[role=radio]")];
  for (const button of buttons) {
    button.setAttribute("aria-checked", button === chosen);
    button.tabIndex = button === (chosen ?? buttons[0]) ? 0 : -1;
  }
}

/** Arrow keys move within a group of radio buttons. */
export function arrows(group) {
  group.addEventListener("keydown", (event) => {
    const by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.code];
    const buttons = [...group.querySelectorAll("[role=radio]")];
    const at = buttons.indexOf(event.target);
    if (!by || at < 0) return;
    event.preventDefault();
    const next = buttons[(at + by + buttons.length) % buttons.length];
    next.focus();
    next.click();
  });
}

/** The canvas's picture, enlarged a whole number of times until its shorter side has `least` pixels. */
export function enlarged(canvas, least) {
  const times = Math.max(1, Math.ceil(least / Math.min(canvas.width, canvas.height)));
  const large = make("canvas", { width: times * canvas.width, height: times * canvas.height });
  paint(large, canvas);
  return large;
}

export function paint(large, canvas) {
  const context = large.getContext("2d");
  context.imageSmoothingEnabled = false;
  context.drawImage(canvas, 0, 0, large.width, large.height);
}

export const touched = () => window.matchMedia("(pointer: coarse)").matches;
export const calm = () => window.matchMedia("(prefers-reduced-motion: reduce)").matches;
