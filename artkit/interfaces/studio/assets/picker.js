// The styles as tiles: one is picked by a click, more are mixed in by their "+".
// props.styles: [{name, title, by, src}]; props.value: [[name, weight], …]; "input" tells that the person changed it.
const grid = element.querySelector(".styles"), mix = element.querySelector(".mix");
const made = (tag, cls, text = "") => Object.assign(document.createElement(tag), {className: cls, textContent: text});
const picks = () => (Array.isArray(props.value) ? props.value : []);
const title = name => (props.styles.find(style => style.name === name) || {title: name}).title;

function choose(value) {
  props.value = value;
  show();
  trigger("input");
}

function mixIn(name) {
  const others = picks().filter(([other]) => other !== name);
  if (others.length === picks().length) choose([...others, [name, 1]]);
  else if (others.length) choose(others);
}

function build() {
  if (!props.styles) return;
  grid.replaceChildren(...props.styles.map(style => {
    const cell = made("div", "cell"), tile = made("button", "tile"), add = made("button", "add", "+");
    cell.dataset.name = style.name;
    tile.type = add.type = "button";
    tile.title = style.by ? `${style.title}, ${style.by}` : style.title;
    add.title = add.ariaLabel = `Mix in ${style.title}`;
    add.tabIndex = -1;
    if (style.src) {
      const img = made("img", "");
      Object.assign(img, {src: style.src, alt: "", loading: "lazy", decoding: "async"});
      tile.append(img);
    } else tile.append(made("span", "blank", style.title.slice(0, 1)));
    tile.append(made("span", "name", style.title));
    tile.addEventListener("click", event => (event.shiftKey ? mixIn(style.name) : choose([[style.name, 1]])));
    add.addEventListener("click", () => mixIn(style.name));
    cell.append(tile, add);
    return cell;
  }));
  show();
  const on = grid.querySelector(".on");
  if (on) grid.scrollTo(on.offsetLeft - grid.offsetLeft - 60, on.offsetTop - grid.offsetTop - 60);
}

function show() {
  const chosen = new Map(picks());
  const cells = [...grid.children];
  for (const cell of cells) {
    const on = chosen.has(cell.dataset.name), [tile, add] = cell.children;
    cell.classList.toggle("on", on);
    tile.ariaPressed = on;
    add.textContent = on ? "−" : "+";
    add.title = add.ariaLabel = `${on ? "Leave out" : "Mix in"} ${title(cell.dataset.name)}`;
    add.hidden = on ? chosen.size < 2 : chosen.size === 0;
  }
  const focus = cells.find(cell => cell.classList.contains("on")) || cells[0];
  for (const cell of cells) cell.firstChild.tabIndex = cell === focus ? 0 : -1;
  mix.hidden = chosen.size < 2;
  const same = [...mix.children].map(row => row.dataset.name).join() === [...chosen.keys()].join();
  if (!same) mix.replaceChildren(...(chosen.size > 1 ? [...chosen].map(slider) : []));
}

function slider([name, weight]) {
  const row = made("label", "share"), range = made("input", ""), out = made("span", "much");
  row.dataset.name = name;
  Object.assign(range, {type: "range", min: 5, max: 100, step: 5, value: Math.round(weight * 100)});
  const say = () => (out.textContent = `${range.value} %`);
  range.addEventListener("input", say);
  range.addEventListener("change", () => choose(picks().map(([n, w]) => [n, n === name ? range.value / 100 : w])));
  row.append(made("span", "name", title(name)), range, out);
  say();
  return row;
}

// Arrow keys walk over the tiles, Enter or Space picks one, + mixes it in: one tab stop for all of them.
grid.addEventListener("keydown", event => {
  const cells = [...grid.children], at = cells.indexOf(event.target.closest(".cell"));
  const across = cells.filter(cell => cell.offsetTop === cells[0].offsetTop).length;
  const step = {ArrowRight: 1, ArrowLeft: -1, ArrowDown: across, ArrowUp: -across}[event.key];
  if (event.key === "+" && at >= 0) mixIn(cells[at].dataset.name);
  else if (step && cells[at + step]) {
    cells[at].firstChild.tabIndex = -1;
    Object.assign(cells[at + step].firstChild, {tabIndex: 0}).focus();
  } else return;
  event.preventDefault();
});

build();
watch("styles", build);
watch("value", show);
