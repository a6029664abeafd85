// One sentence as elements. All text gets in as text (textContent), whatever it looks like.

// What would act instead of being seen, as in nerkd_local/report/highlight.py; line breaks and tabs are layout.
const ACTING = /(?![\n\t\u200c\u200d])[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;

const writtenOut = (character) =>
  [...Array(character.length).keys()]
    .map((at) => `\\u${character.charCodeAt(at).toString(16).padStart(4, "0")}`)
    .join("");

const appendText = (parent, text) => {
  let position = 0;
  for (const found of text.matchAll(ACTING)) {
    if (found.index > position) parent.append(text.slice(position, found.index));
    const shown = make("span", "acting", writtenOut(found[0]));
    shown.title = "a character that would act, written out";
    parent.append(shown);
    position = found.index + found[0].length;
  }
  if (position < text.length) parent.append(text.slice(position));
};

// text[from:to], with what was searched for marked; `hits` are [start, end] in ascending order.
const appendPiece = (parent, text, from, to, hits) => {
  let position = from;
  for (const [start, end] of hits) {
    if (end <= position || start >= to) continue;
    appendText(parent, text.slice(position, Math.max(start, position)));
    const hit = make("mark", "hit");
    appendText(hit, text.slice(Math.max(start, position), Math.min(end, to)));
    parent.append(hit);
    position = Math.min(end, to);
  }
  appendText(parent, text.slice(position, to));
};

const hitsIn = (text, pattern) => {
  const hits = [];
  if (pattern) {
    for (const found of text.matchAll(pattern)) hits.push([found.index, found.index + found[0].length]);
  }
  return hits;
};

const SIGNS = { right: "✓", type: "T", boundary: "B", both: "TB", spurious: "+", missed: "−", unknown: "" };

const mentionElement = (data, layer, sentence, at) => {
  const state = data.states[layer.state[at]];
  const label = data.labels[layer.label[at]].replace(ACTING, writtenOut);
  const element = make("span", "mention");
  const sign = layer.role === "original" ? "" : SIGNS[state];
  if (sign) element.dataset.state = state;
  element.dataset.tag = sign ? `${label}\u00a0${sign}` : label;
  element.dataset.sentence = sentence;
  element.dataset.layer = layer.number;
  element.dataset.at = at;
  element.tabIndex = -1;
  return element;
};

const appendLayerText = (parent, data, layer, sentence, pattern) => {
  const text = data.texts[sentence];
  const place = placesIn(text);
  const hits = hitsIn(text, pattern);
  let position = 0;
  for (let at = layer.first[sentence]; at < layer.first[sentence + 1]; at += 1) {
    const [start, end] = [place(layer.start[at]), place(layer.end[at])];
    appendPiece(parent, text, position, start, hits);
    const mention = mentionElement(data, layer, sentence, at);
    const words = make("span", "words");
    appendPiece(words, text, start, end, hits);
    mention.append(words);
    parent.append(mention);
    position = end;
  }
  appendPiece(parent, text, position, text.length, hits);
};

// Whether a layer says what the human labels say; nothing where one of both is silent.
const agreement = (data, layer, sentence) => {
  const { human } = data;
  if (!human || layer === human || !human.knows(sentence) || !layer.knows(sentence)) return "";
  return sameMentions(layer, human, sentence, data.missed) ? "as human" : "differs";
};

const layerElements = (data, layer, sentence, pattern) => {
  const box = make("div", `layer ${layer.role}`);
  const name = make("dt");
  const who = make("span", `who ${layer.role}`);
  who.setAttribute("aria-hidden", "true");
  const called = make("span", "name");
  appendText(called, layer.name);
  name.append(who, called);
  const agrees = agreement(data, layer, sentence);
  if (agrees) name.append(make("span", agrees === "differs" ? "agrees no" : "agrees", agrees));
  const content = make("dd");
  content.dir = "auto";
  appendLayerText(content, data, layer, sentence, pattern);
  box.append(name, content);
  return box;
};

const plainElement = (data, sentence, pattern) => {
  const text = make("p", "plain");
  text.dir = "auto";
  appendPiece(text, data.texts[sentence], 0, data.texts[sentence].length, hitsIn(data.texts[sentence], pattern));
  return text;
};

const rowElement = (data, sentence, shown, pattern) => {
  const row = make("li");
  row.tabIndex = -1;
  row.dataset.sentence = sentence;
  const head = make("p", "row-head");
  const id = make("span", "id");
  appendText(id, data.ids[sentence]);
  head.append(id);
  const about = [data.groups[data.group[sentence]]];
  if (data.answers[data.answer[sentence]]) about.push(`annotator's answer: ${data.answers[data.answer[sentence]]}`);
  for (const text of about) {
    const chip = make("span", "chip");
    appendText(chip, text);
    head.append(chip);
  }
  const layers = make("dl");
  const knowing = shown.filter((layer) => layer.knows(sentence));
  for (const layer of knowing) layers.append(layerElements(data, layer, sentence, pattern));
  row.append(head);
  if (knowing.length) row.append(layers);
  else row.append(plainElement(data, sentence, pattern));
  const silent = shown.filter((layer) => !layer.knows(sentence)).map((layer) => layer.name);
  if (silent.length) {
    const note = make("p", "silent");
    appendText(note, `not labelled by ${silent.join(", ")}`);
    row.append(note);
  }
  return row;
};

const STATE_WORDS = {
  right: "right",
  type: "right boundaries, wrong type",
  boundary: "right type, wrong boundaries",
  both: "wrong type and boundaries",
  spurious: "spurious: the human labels have nothing here",
  missed: "missed: only in the human labels",
  unknown: "",
};

// What the human labels have where a mention is not right.
const humanWords = (data, layer, sentence, at) => {
  const { human } = data;
  if (!human || human === layer) return "";
  const place = placesIn(data.texts[sentence]);
  const words = [];
  for (let other = human.first[sentence]; other < human.first[sentence + 1]; other += 1) {
    if (human.start[other] < layer.end[at] && layer.start[at] < human.end[other]) {
      const text = data.texts[sentence].slice(place(human.start[other]), place(human.end[other]));
      words.push(`${data.labels[human.label[other]]} “${text}”`);
    }
  }
  return words.length ? `human: ${words.join(", ")}` : "";
};

const fillTip = (tip, data, mention) => {
  const [sentence, at] = [Number(mention.dataset.sentence), Number(mention.dataset.at)];
  const layer = data.layers[Number(mention.dataset.layer)];
  const state = data.states[layer.state[at]];
  const confidence = layer.confidence?.[at] ?? UNKNOWN;
  const lines = [`${layer.name}: ${data.labels[layer.label[at]]}`];
  if (layer.role !== "original" && STATE_WORDS[state]) lines.push(STATE_WORDS[state]);
  // A rounded 1.00 would claim what nobody can know.
  if (confidence !== UNKNOWN) lines.push(`confidence ${Math.min(confidence / 1000, 0.99).toFixed(2)}`);
  if (["type", "boundary", "both"].includes(state)) lines.push(humanWords(data, layer, sentence, at));
  tip.replaceChildren();
  for (const line of lines.filter(Boolean)) {
    const shown = make("span");
    appendText(shown, line);
    tip.append(shown);
  }
};

