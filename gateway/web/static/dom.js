// Small helpers around the page. Rule: text from outside only ever becomes text, never markup.
export const by = (id) => document.getElementById(id);

export function text(node, value) {
  if (node.textContent !== value) node.textContent = value;
}

export function attribute(node, name, value) {
  if (value === null) node.removeAttribute(name);
  else if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value);
}

export function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "class") node.className = value;
    else if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined) node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

const SVG = "http://www.w3.org/2000/svg";

export function svg(tag, attributes = {}, ...children) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

export const icon = (name) => svg("svg", { "aria-hidden": "true" }, svg("use", { href: `#${name}` }));

export function button(label, name, iconName, act) {
  return make("button", { type: "button", class: "square", "aria-label": name, title: label, onclick: act }, icon(iconName));
}

// Children of `parent` for `items`, in their order. A child whose item looks the same is left alone, so that a focus or
// a finger on it stays where it is.
export function reconcile(parent, items, keyOf, makeChild) {
  const old = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  items.forEach((item, place) => {
    const key = keyOf(item);
    const look = JSON.stringify(item);
    let child = old.get(key);
    if (child && child.dataset.look !== look) {
      const fresh = makeChild(item);
      const focused = child.contains(document.activeElement) ? document.activeElement.title : null;
      child.replaceWith(fresh);
      if (focused) fresh.querySelector(`[title="${CSS.escape(focused)}"]`)?.focus();
      child = fresh;
    }
    child ??= makeChild(item);
    child.dataset.key = key;
    child.dataset.look = look;
    old.delete(key);
    if (parent.children[place] !== child) parent.insertBefore(child, parent.children[place] ?? null);
  });
  for (const child of old.values()) child.remove();
}

// Rows of a table: [name, value] pairs; rows without a value are left out.
export function facts(table, rows) {
  const shown = rows.filter(([, value]) => value !== null && value !== undefined && value !== "");
  reconcile(table.tBodies[0], shown, ([name]) => name, ([name, value]) =>
    make("tr", {}, make("th", { scope: "row" }, name), make("td", {}, String(value))));
}
