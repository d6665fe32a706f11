// Elements made by hand. Text enters a page only through textContent, so no patient's name can become markup;
// the server's policy (trusted types, none allowed) would refuse it, too.

const SVG = "http://www.w3.org/2000/svg";

// An element: attributes as HTML names them, `on` for listeners, `data` for data-…; children are nodes or text.
export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  set(node, attributes);
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false)
    .map((child) => (child instanceof Node ? child : document.createTextNode(String(child)))));
  return node;
}

export function set(node, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "on") {
      for (const [event, listener] of Object.entries(value)) node.addEventListener(event, listener);
    } else if (name === "data") {
      for (const [key, entry] of Object.entries(value)) node.dataset[key] = entry;
    } else if (value === false || value === null || value === undefined) {
      node.removeAttribute(name);
    } else {
      node.setAttribute(name, value === true ? "" : String(value));
    }
  }
  return node;
}

// One of the symbols in index.html. Decoration: the words stand beside it.
export function icon(name) {
  const picture = document.createElementNS(SVG, "svg");
  picture.setAttribute("class", "icon");
  picture.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `#i-${name}`);
  picture.append(use);
  return picture;
}

// Writes only what differs: a grid of a hundred tiles is refreshed without the browser laying it out again.
export function text(node, words) {
  if (node.textContent !== words) node.textContent = words;
}

export function attribute(node, name, value) {
  if (value === null || value === undefined || value === false) {
    if (node.hasAttribute(name)) node.removeAttribute(name);
  } else if (node.getAttribute(name) !== String(value)) {
    node.setAttribute(name, String(value));
  }
}

export function icons(node, name) {
  if (node.dataset.icon === name) return;
  node.dataset.icon = name;
  node.replaceChildren(...(name ? [icon(name)] : []));
}

export function fill(node, ...children) {
  node.replaceChildren(...children.flat().filter(Boolean));
}

export const byId = (id) => document.getElementById(id);
