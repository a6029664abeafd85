// The sentence browser: controls, address, list and pages. Its view is what the form says, and the page number.

const NAMED = { group: "groups", type: "labels", state: "states", answer: "answers" };
const HASH = "#sentences?";

const startBrowser = () => {
  const root = document.getElementById("browser");
  if (!root) return;
  const packed = document.getElementById("packed");
  const form = document.getElementById("browse");
  const controls = form.elements;
  const count = document.getElementById("count");
  const list = document.getElementById("rows");
  const empty = document.getElementById("empty");
  const tip = document.getElementById("tip");
  const pageSize = Number(root.dataset.pageSize);
  let data = null;
  let loading = null;
  let found = [];
  let page = 0;

  // --- the view, in the controls and in the address

  const numberOfControl = (name) => (controls[name]?.value ? Number(controls[name].value) : -1);
  const shownLayers = () => data.layers.filter((layer) => boxes()[layer.number].checked);
  const boxes = () => [...form.querySelectorAll("input[name=show]")];

  // Whoever a filter is about is to be seen.
  const showAsked = () => {
    const { layer, differ } = view();
    for (const number of [layer, differ?.one, differ?.other]) if (number >= 0) boxes()[number].checked = true;
  };

  const view = () => {
    const [relation, one, other] = (controls.differ?.value ?? "").split(":");
    return {
      q: controls.q.value,
      word: controls.word.checked,
      group: numberOfControl("group"),
      layer: numberOfControl("layer"),
      type: numberOfControl("type"),
      state: controls.state?.value ? data.states.indexOf(controls.state.value) : -1,
      answer: numberOfControl("answer"),
      differ: relation ? { relation, one: Number(one), other: Number(other) } : null,
    };
  };

  const resetControls = () => {
    const keys = controls.keys.checked; // how to work here, not what to see
    form.reset();
    controls.keys.checked = keys;
  };

  // Names and not numbers are in the address: they stay true when the report is made again.
  const address = () => {
    const now = view();
    const params = new URLSearchParams();
    if (now.q) params.set("q", now.q);
    if (now.word) params.set("word", "1");
    for (const [name, names] of Object.entries(NAMED)) if (now[name] >= 0) params.set(name, data[names][now[name]]);
    if (now.layer >= 0) params.set("layer", data.layers[now.layer].name);
    if (now.differ) {
      const { relation, one, other } = now.differ;
      params.set("differ", relation);
      params.append("of", data.layers[one].name);
      params.append("of", data.layers[other].name);
    }
    if (boxes().some((box) => box.checked !== box.defaultChecked)) {
      params.set("show", shownLayers().length);
      for (const layer of shownLayers()) params.append("layers", layer.name);
    }
    if (controls.columns.checked) params.set("columns", "1");
    if (page) params.set("page", page + 1);
    return params.toString() ? HASH + params : "#sentences";
  };

  const applyAddress = () => {
    const params = new URLSearchParams(location.hash.slice(HASH.length));
    resetControls();
    controls.q.value = params.get("q") ?? "";
    controls.word.checked = params.has("word");
    controls.columns.checked = params.has("columns");
    const choose = (name, value) => {
      if (controls[name] && [...controls[name].options].some((option) => option.value === value)) {
        controls[name].value = value;
      }
    };
    for (const [name, names] of Object.entries(NAMED)) {
      if (!params.has(name)) continue;
      choose(name, name === "state" ? params.get(name) : String(data[names].indexOf(params.get(name))));
    }
    const layerNumber = (name) => data.layers.findIndex((layer) => layer.name === name);
    if (params.has("layer")) choose("layer", String(layerNumber(params.get("layer"))));
    if (params.has("differ")) choose("differ", [params.get("differ"), ...params.getAll("of").map(layerNumber)].join(":"));
    if (params.has("show")) {
      const names = params.getAll("layers");
      for (const box of boxes()) box.checked = names.includes(data.layers[Number(box.value)].name);
    }
    const wanted = Number.parseInt(params.get("page"), 10);
    update({ page: Number.isNaN(wanted) ? 0 : wanted - 1 });
  };

  let writing = 0;
  const writeAddress = () => {
    // Browsers refuse an address that changes at every keystroke.
    clearTimeout(writing);
    writing = setTimeout(() => {
      try {
        history.replaceState(null, "", address());
      } catch {
        // a place that allows no addresses: the view is shown all the same
      }
    }, 250);
  };

  // --- the list

  const pages = () => Math.max(1, Math.ceil(found.length / pageSize));
  const number = (value) => value.toLocaleString("en");

  const showList = () => {
    const pattern = finder(controls.q.value, controls.word.checked, "giu");
    const layers = shownLayers();
    const first = page * pageSize;
    const here = found.slice(first, first + pageSize);
    list.replaceChildren(...here.map((sentence) => rowElement(data, sentence, layers, pattern)));
    list.start = first + 1;
    list.classList.toggle("columns", controls.columns.checked);
    if (list.firstChild) list.firstChild.tabIndex = 0;
    empty.hidden = found.length > 0;
    empty.textContent = "No sentence is like this. Ask for less, or clear the filters.";
    const matching = `${number(found.length)} of ${number(data.size)} sentences`;
    count.textContent = here.length
      ? `${matching}; here ${number(first + 1)} to ${number(first + here.length)}`
      : matching;
    for (const pager of root.querySelectorAll(".pager")) {
      pager.hidden = pages() === 1;
      const input = pager.querySelector("input");
      input.value = page + 1;
      input.max = pages();
      pager.querySelector(".of").textContent = `of ${number(pages())}`;
      for (const button of pager.querySelectorAll("button")) {
        button.disabled = ["first", "previous"].includes(button.dataset.go) ? page === 0 : page === pages() - 1;
      }
    }
    hideTip();
    writeView();
  };

  // What the controls say, for a print, which shows no controls.
  const writeView = () => {
    const words = [];
    for (const control of controls) {
      const label = control.closest("label")?.querySelector("span")?.firstChild?.textContent.trim();
      if (control.tagName === "SELECT" && control.value) {
        words.push(`${label}: ${control.selectedOptions[0].text}`);
      }
    }
    if (controls.q.value.trim()) words.unshift(`found: ${controls.q.value.trim()}`);
    const shown = `Printed as shown, at most ${pageSize} sentences at a time`;
    document.getElementById("view").textContent = [shown, ...words].join("; ");
  };

  const update = ({ page: wanted = 0, search = true } = {}) => {
    if (search) found = findSentences(data, view());
    page = Math.min(Math.max(wanted, 0), pages() - 1);
    showList();
  };

  // --- getting them, when they are near or asked for

  const load = () => {
    loading ??= (async () => {
      count.textContent = "Unpacking the sentences";
      try {
        data = await readSentences(packed);
      } catch (error) {
        count.textContent = `The sentences cannot be shown: ${error.message}`;
        root.classList.add("failed");
        return false;
      }
      if (location.hash.startsWith(HASH)) applyAddress();
      else update();
      root.dataset.ready = "true";
      return true;
    })();
    return loading;
  };

  const whenLoaded = async (act) => {
    if (await load()) act();
  };

  // --- what readers do

  // What was changed since the last frame; many keys in a frame are one search.
  const changed = new Set();
  const applyChanges = () => {
    if (!changed.size) return;
    if (changed.has("layer") || changed.has("differ")) showAsked();
    const looks = [...changed].every((name) => ["show", "columns"].includes(name));
    changed.clear();
    update(looks ? { page, search: false } : {});
    writeAddress();
  };
  const onChange = (event) => {
    if (event.target.name === "keys") return;
    if (!changed.size) requestAnimationFrame(() => void whenLoaded(applyChanges));
    changed.add(event.target.name);
  };
  form.addEventListener("input", onChange);
  form.addEventListener("submit", (event) => event.preventDefault());
  document.getElementById("clear").addEventListener("click", () => {
    resetControls();
    void whenLoaded(() => {
      update();
      writeAddress();
    });
  });

  const goTo = (wanted) => {
    update({ page: wanted, search: false });
    writeAddress();
  };
  for (const pager of root.querySelectorAll(".pager")) {
    pager.addEventListener("click", (event) => {
      const go = event.target.closest("button")?.dataset.go;
      if (!go || !data) return;
      goTo({ first: 0, previous: page - 1, next: page + 1, last: pages() - 1 }[go]);
      root.querySelector(".found").scrollIntoView({ block: "start" });
    });
    pager.addEventListener("change", (event) => {
      const wanted = Number.parseInt(event.target.value, 10);
      if (data) goTo(Number.isNaN(wanted) ? page : wanted - 1);
    });
  }

  const focusRow = (row) => {
    for (const other of list.children) other.tabIndex = other === row ? 0 : -1;
    row.focus();
  };

  const moveRow = (step) => {
    const row = document.activeElement.closest("#rows > li");
    const next = row ? (step > 0 ? row.nextElementSibling : row.previousElementSibling) : list.firstElementChild;
    if (next) {
      focusRow(next);
    } else if (step > 0 ? page < pages() - 1 : page > 0) {
      goTo(page + step);
      focusRow(step > 0 ? list.firstElementChild : list.lastElementChild);
    }
  };

  const moveMention = (step) => {
    const row = document.activeElement.closest("#rows > li");
    if (!row) return;
    const mentions = [...row.querySelectorAll(".mention")];
    const at = mentions.indexOf(document.activeElement);
    const next = at < 0 ? (step > 0 ? mentions[0] : mentions.at(-1)) : mentions[at + step];
    (next ?? row).focus();
  };

  const MOVES = {
    j: () => moveRow(1),
    k: () => moveRow(-1),
    ArrowDown: () => moveRow(1),
    ArrowUp: () => moveRow(-1),
    ArrowRight: () => moveMention(1),
    ArrowLeft: () => moveMention(-1),
  };
  const isTyping = (element) => element.matches("input:not([type=checkbox], [type=radio]), select, textarea");

  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") hideTip();
    if (event.ctrlKey || event.metaKey || event.altKey || !controls.keys.checked || isTyping(event.target)) return;
    if (event.key === "/") {
      event.preventDefault();
      controls.q.focus();
      controls.q.select();
      void load();
    } else if ((event.key.length === 1 ? root : list).contains(event.target) && event.key in MOVES && data) {
      event.preventDefault();
      MOVES[event.key]();
    }
  });
  // From the search straight to what it found.
  controls.q.addEventListener("keydown", (event) => {
    if (!data || (event.key !== "Enter" && event.key !== "ArrowDown")) return;
    event.preventDefault();
    applyChanges(); // or they would take the rows away again
    if (list.firstElementChild) focusRow(list.firstElementChild);
  });
  list.addEventListener("focusin", (event) => {
    const row = event.target.closest("#rows > li");
    for (const other of list.children) other.tabIndex = other === row ? 0 : -1;
  });

  // --- what a mention is, under the pointer or the focus

  let explained = null;
  function hideTip() {
    tip.hidden = true;
    explained?.removeAttribute("aria-describedby");
    explained = null;
  }
  const placeTip = () => {
    const [box, room] = [explained.getClientRects()[0], tip.getBoundingClientRect()];
    const left = Math.min(box.left, document.documentElement.clientWidth - room.width - 8);
    const below = box.bottom + room.height < window.innerHeight;
    tip.style.left = `${Math.max(left, 8)}px`;
    tip.style.top = `${below ? box.bottom : box.top - room.height}px`;
  };
  const showTip = (mention) => {
    hideTip();
    fillTip(tip, data, mention);
    tip.hidden = false;
    explained = mention;
    mention.setAttribute("aria-describedby", "tip");
    placeTip();
  };
  const mentionOf = (event) => event.target.closest?.(".mention");
  list.addEventListener("pointerover", (event) => mentionOf(event) && showTip(mentionOf(event)));
  list.addEventListener("focusin", (event) => (mentionOf(event) ? showTip(mentionOf(event)) : hideTip()));
  list.addEventListener("focusout", hideTip);
  list.addEventListener("pointerout", (event) => {
    // it may be pointed at itself, to be read at leisure
    if (mentionOf(event) && !tip.contains(event.relatedTarget)) hideTip();
  });
  tip.addEventListener("pointerleave", hideTip);
  const follow = () => {
    if (explained && (explained === document.activeElement || explained.matches(":hover"))) placeTip();
    else hideTip();
  };
  document.addEventListener("scroll", follow, { passive: true, capture: true });

  // --- beginning

  copyFrom(document.getElementById("copy-link"), () =>
    data ? location.href.split("#")[0] + address() : location.href,
  );
  const openAddress = () => {
    if (!location.hash.startsWith(HASH)) return;
    void load().then((ready) => {
      if (!ready) return;
      document.getElementById("sentences").scrollIntoView({ block: "start" });
    });
  };
  window.addEventListener("hashchange", () => {
    if (!location.hash.startsWith(HASH)) return;
    void whenLoaded(applyAddress);
    openAddress();
  });
  root.addEventListener("focusin", () => void load());
  new IntersectionObserver(
    (entries, observer) => {
      if (!entries.some((entry) => entry.isIntersecting)) return;
      observer.disconnect();
      void load();
    },
    { rootMargin: "1200px" },
  ).observe(root);
  openAddress();
};
