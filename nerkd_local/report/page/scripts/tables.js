// Tables sort by a click on a header: up, down, and back as they were.

const NUMBER = /^[+\-−]?(?:\d[\d,]*)?\.?\d+(?:e[+-]?\d+)?/i;
const NOTHING = /^[-–—]?$/;

const numberOf = (text) => {
  const found = NUMBER.exec(text);
  return found ? Number(found[0].replaceAll(",", "").replace("−", "-")) : NaN;
};

// A column is one of numbers if all its cells begin with one ("0.75 (0.71 to 0.79)"); empty cells stand last.
const sortedRows = (rows, column, sign) => {
  const keyed = rows.map((row) => {
    const text = row.cells[column].textContent.trim();
    return { row, text, number: numberOf(text), empty: NOTHING.test(text) };
  });
  const numeric = keyed.every(({ number, empty }) => empty || !Number.isNaN(number));
  const order = new Intl.Collator(undefined, { numeric: true });
  keyed.sort((one, other) => {
    if (one.empty || other.empty) return one.empty - other.empty;
    const apart = numeric ? one.number - other.number : 0;
    return sign * (apart || order.compare(one.text, other.text));
  });
  return keyed.map(({ row }) => row);
};

const startTable = (table) => {
  const body = table.tBodies[0];
  const original = [...body.rows];
  const headers = [...table.tHead.rows[0].cells];
  for (const [column, header] of headers.entries()) {
    const name = header.textContent;
    const button = make("button", "sort");
    button.type = "button";
    button.append(...header.childNodes);
    header.append(button);
    header.setAttribute("aria-sort", "none");
    button.addEventListener("click", () => {
      const next = { none: "ascending", ascending: "descending", descending: "none" }[header.getAttribute("aria-sort")];
      for (const other of headers) other.setAttribute("aria-sort", "none");
      header.setAttribute("aria-sort", next);
      const sign = next === "descending" ? -1 : 1;
      body.append(...(next === "none" ? original : sortedRows(original, column, sign)));
      say(next === "none" ? "as it was" : `sorted by ${name}, ${next}`);
    });
  }
};

const startTables = () => {
  for (const table of document.querySelectorAll("table")) {
    if (table.tBodies[0].rows.length > 1) startTable(table);
  }
};

