// Small line charts in SVG. Rule: gaps in what is known stay gaps; a chart tells its figures in words, too.
import { make, svg, attribute, text } from "./dom.js";

const WIDTH = 600;
const HEIGHT = 130;

// `series`: [{key, name, scale}], values of points under `key` times `scale`; `top(max)` gives the upper end.
export class Chart {
  constructor(parent, { series, unit, top, bottom = 0, spanWords }) {
    Object.assign(this, { series, unit, top, bottom, spanWords });
    this.drawing = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img" });
    this.grid = svg("path", { class: "grid" });
    this.lines = series.map((line, place) => svg("path", { class: `line line-${place}` }));
    this.drawing.append(this.grid, ...this.lines);
    this.high = make("span", { class: "axis high" });
    this.low = make("span", { class: "axis low" });
    this.legend = make("p", { class: "small legend" });
    this.keys = series.map((line, place) => {
      const value = make("b", { class: "figure" });
      this.legend.append(make("span", { class: `key key-${place}` }, `${line.name} `, value));
      return value;
    });
    parent.replaceChildren(make("div", { class: "plot" }, this.drawing, this.high, this.low), this.legend);
    this.draw([], 0, 1);
  }

  // Points have `at`; what lies between `from` and `to` is drawn. `gap`: points further apart are not joined.
  draw(points, from, to, gap = Infinity) {
    const inside = points.filter((point) => point.at >= from && point.at <= to);
    const values = this.series.map(({ key, scale = 1 }) =>
      inside.map((point) => (Number.isFinite(point[key]) ? scale * point[key] : null)));
    const most = Math.max(...values.flat().filter((value) => value !== null), this.bottom);
    const top = this.top(most);
    const x = (at) => (WIDTH * (at - from)) / Math.max(1e-9, to - from);
    const y = (value) => HEIGHT - (HEIGHT * (value - this.bottom)) / (top - this.bottom);
    attribute(this.grid, "d", [0.25, 0.5, 0.75].map((share) => `M0 ${HEIGHT * share}H${WIDTH}`).join(""));
    const told = [];
    this.series.forEach(({ name }, place) => {
      let path = "";
      let before = null;
      values[place].forEach((value, index) => {
        const { at } = inside[index];
        if (value !== null) {
          const joined = before !== null && at - before <= gap;
          // A lone point is drawn as a dot: a line of no length with round ends.
          path += `${joined ? "L" : "M"}${x(at).toFixed(1)} ${y(value).toFixed(1)}${joined ? "" : "h0"}`;
          before = at;
        } else before = null;
      });
      attribute(this.lines[place], "d", path);
      const known = values[place].filter((value) => value !== null);
      const words = known.length ? `${this.figure(known.at(-1))}` : "–";
      text(this.keys[place], words);
      told.push(known.length ? `${name} ${words}, most ${this.figure(Math.max(...known))}` : `${name} not known`);
    });
    text(this.high, this.figure(top));
    text(this.low, this.figure(this.bottom));
    attribute(this.drawing, "aria-label", `${this.spanWords}: ${told.join("; ")}`);
  }

  figure(value) {
    return `${Math.abs(value) < 10 && value % 1 ? value.toFixed(1) : Math.round(value)} ${this.unit}`;
  }
}

export function niceTop(least) {
  return (most) => {
    for (let step = least; ; step *= 10) {
      for (const factor of [1, 2, 5]) if (step * factor >= most) return step * factor;
    }
  };
}
