// Which sentences a view shows. A view is what the controls say:
//   q, word         text to find, as whole words or anywhere
//   group, answer   numbers, or -1
//   layer           whose mentions `type` and `state` are about, or -1 for anyone's; all three numbers
//   differ          null, or {relation, one, other}

const escaped = (text) => text.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");

// Without regard to case by Unicode's simple folding, which keeps lengths: what is found is where it is shown.
const finder = (query, word, flags = "iu") => {
  const words = query.trim();
  if (!words) return null;
  const inside = words.split(/\s+/).map(escaped).join("\\s+");
  const letter = "[\\p{L}\\p{M}\\p{N}_]";
  return new RegExp(word ? `(?<!${letter})${inside}(?!${letter})` : inside, flags);
};

// Two layers' mentions of a sentence one by one; what a layer missed is not a mention of it.
const sameMentions = (one, other, sentence, missed) => {
  let a = one.first[sentence];
  let b = other.first[sentence];
  const aEnd = one.first[sentence + 1];
  const bEnd = other.first[sentence + 1];
  for (;;) {
    while (a < aEnd && one.state[a] === missed) a += 1;
    while (b < bEnd && other.state[b] === missed) b += 1;
    if (a === aEnd || b === bEnd) return a === aEnd && b === bEnd;
    if (one.start[a] !== other.start[b] || one.end[a] !== other.end[b] || one.label[a] !== other.label[b]) return false;
    a += 1;
    b += 1;
  }
};

const anyMention = (layer, sentence, missed, wanted) => {
  for (let at = layer.first[sentence]; at < layer.first[sentence + 1]; at += 1) {
    if (layer.state[at] !== missed && wanted(layer.start[at], layer.end[at], layer.label[at])) return true;
  }
  return false;
};

// A human mention that only `other` has, or one of `one`'s where neither the human labels nor `other` have anything.
const isAhead = (data, one, other, sentence) => {
  const { human, missed } = data;
  const has = (layer, start, end, label) =>
    anyMention(layer, sentence, missed, (from, to, name) => from === start && to === end && name === label);
  const touches = (layer, start, end) =>
    anyMention(layer, sentence, missed, (from, to) => from < end && start < to);
  return (
    anyMention(human, sentence, missed, (...mention) => !has(one, ...mention) && has(other, ...mention)) ||
    anyMention(one, sentence, missed, (start, end) => !touches(human, start, end) && !touches(other, start, end))
  );
};

const disagrees = (data, { relation, one, other }, sentence) => {
  const [first, second] = [data.layers[one], data.layers[other]];
  if (!first.knows(sentence) || !second.knows(sentence)) return false;
  if (relation === "differ") return !sameMentions(first, second, sentence, data.missed);
  return data.human.knows(sentence) && isAhead(data, first, second, sentence);
};

const hasMention = (layers, view, sentence) =>
  layers.some((layer) => {
    for (let at = layer.first[sentence]; at < layer.first[sentence + 1]; at += 1) {
      if ((view.type < 0 || layer.label[at] === view.type) && (view.state < 0 || layer.state[at] === view.state)) {
        return true;
      }
    }
    return false;
  });

// The numbers of the sentences that a view shows, in their order.
const findSentences = (data, view) => {
  const text = finder(view.q, view.word);
  const id = view.q.trim();
  const layers = view.layer < 0 ? data.layers : [data.layers[view.layer]];
  const found = [];
  for (let sentence = 0; sentence < data.size; sentence += 1) {
    if (view.group >= 0 && data.group[sentence] !== view.group) continue;
    if (view.answer >= 0 && data.answer[sentence] !== view.answer) continue;
    if (view.layer >= 0 && !layers[0].knows(sentence)) continue;
    if (text && !text.test(data.texts[sentence]) && data.ids[sentence] !== id) continue;
    if ((view.type >= 0 || view.state >= 0) && !hasMention(layers, view, sentence)) continue;
    if (view.differ && !disagrees(data, view.differ, sentence)) continue;
    found.push(sentence);
  }
  return found;
};

