// The sentences out of their package (report/sentences.py says how they got in).

const UNKNOWN = -1;

const bytesOf = (base64) => {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at += 1) bytes[at] = text.charCodeAt(at);
  return bytes;
};

const unpack = async (element) => {
  if (typeof DecompressionStream === "undefined") {
    throw new Error("this browser cannot unpack them: Chrome or Edge 80, Firefox 113 or Safari 16.4 can");
  }
  const stream = new Blob([bytesOf(element.textContent)]).stream().pipeThrough(new DecompressionStream("gzip"));
  const columns = await new Response(stream).json();
  element.textContent = "";
  return columns;
};

// A layer's mentions as flat arrays: those of sentence i are first[i] up to first[i + 1]; offsets are code points.
const layerOf = (columns, number) => {
  const { count, gap, length, label, state, confidence } = columns.mentions[number];
  const first = new Int32Array(count.length + 1);
  const start = new Int32Array(gap.length);
  const end = new Int32Array(gap.length);
  for (let sentence = 0, at = 0; sentence < count.length; sentence += 1) {
    let position = 0;
    for (let left = count[sentence]; left > 0; left -= 1, at += 1) {
      start[at] = position + gap[at];
      position = end[at] = start[at] + length[at];
    }
    first[sentence + 1] = at;
  }
  return {
    number,
    name: columns.layers[number],
    role: columns.roles[number],
    knows: (sentence) => count[sentence] !== UNKNOWN,
    first,
    start,
    end,
    label,
    state,
    confidence,
  };
};

const readSentences = async (element) => {
  const columns = await unpack(element);
  const layers = columns.layers.map((_, number) => layerOf(columns, number));
  return {
    size: columns.id.length,
    ids: columns.id,
    texts: columns.text,
    group: columns.group,
    answer: columns.answer,
    groups: columns.groups,
    labels: columns.labels,
    states: columns.states,
    answers: columns.answers,
    missed: columns.states.indexOf("missed"),
    layers,
    human: layers.find((layer) => layer.role === "original"),
  };
};

// From a code point's number to its place in a JavaScript string, which counts some code points as two.
const placesIn = (text) => {
  if (!/[\ud800-\udbff]/.test(text)) return (point) => point;
  const places = [0];
  for (const character of text) places.push(places.at(-1) + character.length);
  return (point) => places[point];
};

