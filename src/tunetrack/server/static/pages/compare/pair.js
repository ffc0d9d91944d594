/** Knows what two of the compared trials do differently with the same images. */

import { picker } from "../../core/controls.js";
import { fill, h } from "../../core/dom.js";
import { inFile, numbers as listed, set } from "../../core/view.js";
import { countWords } from "./answers.js";
import { differenceFigure } from "./confusion.js";

const FIRST = 20; // pictures that are shown before somebody asks for all
const LARGE = 56; // pixels of a picture's longer side

/** The section of two trials face to face; returns `{update(context), end()}`. */
export function pairSection(host) {
  const controls = h("div", { class: "controls" });
  const [left, right] = [h("div"), h("div", { class: "card", "aria-live": "polite" })];
  host.append(h("h2", {}, "Two of them, face to face"), controls, h("div", { class: "pair" }, left, right));
  const figure = differenceFigure(left);
  let asked = 0;
  function update(context) {
    const pair = chosenPair(context.numbers);
    const options = context.numbers.map((number) => [String(number), `trial ${number}`]);
    const choose = (place) => (value) => {
      const now = chosenPair(context.numbers);
      const other = now[1 - place] === Number(value) ? now[place] : now[1 - place];
      set({ pair: place ? `${other},${value}` : `${value},${other}` });
      update(context);
    };
    fill(controls, picker("Compare", options, String(pair[0]), choose(0)), picker("with", options, String(pair[1]), choose(1)));
    figure.update(context, pair);
    images(context, pair);
  }
  async function images(context, [a, b]) {
    const turn = ++asked;
    fill(right, h("h3", {}, "Images that one gets right and the other wrong"), h("p", { class: "note" }, "Loading …"));
    const [low, high] = a < b ? [a, b] : [b, a]; // one question for both orders
    const answer = await context.ask("/compare/images", { a: low, b: high });
    // A file holds the pictures once, for all pairs.
    const url = answer.sprite && inFile() ? await context.ask("/images.png", {}) : answer.sprite?.url;
    if (turn !== asked) return;
    const sprite = typeof url === "string" ? { ...answer.sprite, url } : null;
    fill(right, h("h3", {}, "Images that one gets right and the other wrong"), pictures({ ...answer, sprite }, [a, b]));
  }
  return { update, end: figure.end };
}

function chosenPair(numbers) {
  const pair = listed("pair").filter((number) => numbers.includes(number));
  return pair.length === 2 && pair[0] !== pair[1] ? pair : numbers.slice(0, 2);
}

function pictures(answer, [a, b]) {
  const swapped = a > b;
  const names = [`trial ${a}`, `trial ${b}`];
  if (answer.trouble || answer.reason) return h("p", { class: "note" }, `There is nothing to show: ${(answer.trouble || answer.reason).replace(/\.$/, "")}.`);
  const counts = swapped ? { ...answer.counts, only_a: answer.counts.only_b, only_b: answer.counts.only_a } : answer.counts;
  const [first, second] = swapped ? [answer.only_b, answer.only_a] : [answer.only_a, answer.only_b];
  const turn = (item) => (swapped ? { ...item, a: item.b, b: item.a } : item);
  return [
    h("p", {}, countWords(counts, names)),
    h("p", { class: "note" }, "In bold what the image shows, below it the wrong answer; the other one answers right."),
    !answer.sprite && h("p", { class: "note" }, "The pictures are not stored with the study (they are where all trials have the same validation images); the images are named by their place in the validation set."),
    group(first.map(turn), answer, names, 0, counts.only_a),
    group(second.map(turn), answer, names, 1, counts.only_b),
  ];
}

function group(items, answer, names, winner, count) {
  const box = h("div", { class: "tiles-box" });
  const head = h("h4", {}, `Only ${names[winner]} is right: ${count.toLocaleString("en")}`);
  const show = (most) => fill(box, items.slice(0, most).map((item) => tile(item, answer, names, winner)));
  show(FIRST);
  if (!items.length) return [head, h("p", { class: "note" }, "None.")];
  const left = count > items.length ? h("p", { class: "note" }, `The first ${items.length} are here.`) : null;
  const more = items.length > FIRST && h("button", { type: "button", onclick: () => { show(items.length); more.remove(); } }, `Show ${items.length - FIRST} more`);
  return [head, box, more, left];
}

function tile({ index, tile: place, label, a, b }, { sprite, classes }, names, winner) {
  const name = (at) => classes[at] ?? String(at);
  const wrong = winner ? a : b;
  const words = `image ${index}: it is ${name(label)}; ${names[0]} says ${name(a)}, ${names[1]} says ${name(b)}`;
  const seen = sprite && place !== null && place !== undefined ? picture(sprite, place) : h("span", { class: "unpictured" }, `image ${index}`);
  return h("figure", { class: "tile-image", title: words }, seen, h("figcaption", {}, h("b", {}, name(label)), h("span", {}, `${names[1 - winner]}: ${name(wrong)}`)));
}

/** One picture of the sprite; drawn large, with its pixels as they are. */
function picture({ url, width, height, tile: [wide, high], columns }, place) {
  const factor = LARGE / Math.max(wide, high);
  const box = h("span", { class: "picture", role: "img", "aria-hidden": "true" });
  const [x, y] = [(place % columns) * wide, Math.floor(place / columns) * high];
  Object.assign(box.style, {
    width: `${wide * factor}px`, height: `${high * factor}px`, backgroundImage: `url(${JSON.stringify(url)})`,
    backgroundSize: `${width * factor}px ${height * factor}px`, backgroundPosition: `${-x * factor}px ${-y * factor}px`,
  });
  return box;
}
