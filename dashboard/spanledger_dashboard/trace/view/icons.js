// Drawn on a grid of 16 by 16, in lines of the text's colour.

const ICONS = {
  llm: "M3 3.5h10v7H8l-3 2.5v-2.5H3z",
  tool: "M13 4.2a3.2 3.2 0 0 1-4.3 3.9L4.6 12.4a1.1 1.1 0 0 1-1.6-1.6l4.3-4.1A3.2 3.2 0 0 1 11.2 2.4L9.4 4.3l.3 1.6 1.6.3z",
  agent: "M4 6.5h8v6H4zM8 3.2v3.3M6.3 9.2v.6M9.7 9.2v.6M2.4 8.6v2M13.6 8.6v2",
  workflow: "M2.5 3h4v3.4h-4zM9.5 9.6h4V13h-4zM4.5 6.4v4.9h5",
  retrieval: "M7 11a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM10 10l3.4 3.4",
  embedding: "M3.5 3.5h.01M8 3.5h.01M12.5 3.5h.01M3.5 8h.01M8 8h.01M12.5 8h.01M3.5 12.5h.01M8 12.5h.01M12.5 12.5h.01",
  guardrail: "M8 2.6l4.6 1.7v3.4c0 2.9-1.9 4.8-4.6 5.8-2.7-1-4.6-2.9-4.6-5.8V4.3z",
  server: "M3 3.5h10v3.6H3zM3 8.9h10v3.6H3zM5.2 5.3h.01M5.2 10.7h.01",
  other: "M8 10.2a2.2 2.2 0 1 0 0-4.4 2.2 2.2 0 0 0 0 4.4z",
  run: "M2.8 5.2h7.4v7.4H2.8zM5.6 5V2.9h7.6v7.5h-2.8",
  expand: "M4 6l4 4 4-4",
  collapse: "M4 10l4-4 4 4",
  link: "M6.8 9.2l2.4-2.4M7.6 4.9l1.2-1.2a2.5 2.5 0 0 1 3.5 3.5l-1.2 1.2M8.4 11.1l-1.2 1.2a2.5 2.5 0 0 1-3.5-3.5l1.2-1.2",
  fit: "M2.5 8h11M5 5.5L2.5 8 5 10.5M11 5.5L13.5 8 11 10.5",
  next: "M6 4l4 4-4 4",
  back: "M10 4L6 8l4 4",
};
const SVG = "http://www.w3.org/2000/svg";

/** An icon; `paint(icon, name)` draws another one into it. */
function icon(name, className = "icon") {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("class", className);
  svg.setAttribute("aria-hidden", "true");
  svg.append(document.createElementNS(SVG, "path"));
  paint(svg, name);
  return svg;
}

function paint(svg, name) {
  svg.firstChild.setAttribute("d", ICONS[name]);
}

/** An element with a class and text; text from outside never becomes markup. */
function element(tag, className, text = "") {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text) made.textContent = text;
  return made;
}
