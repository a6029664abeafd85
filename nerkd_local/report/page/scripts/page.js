// The page as a whole: theme, contents, code to copy. Without any script it is all there to read.

const make = (tag, className = "", text = "") => {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text) element.textContent = text;
  return element;
};

const say = (text) => {
  document.getElementById("said").textContent = text;
};

// A page from a file may be refused storage altogether, which throws on first touch.
const remembered = {
  get(key) {
    try {
      return localStorage.getItem(key);
    } catch {
      return null;
    }
  },
  set(key, value) {
    try {
      if (value) localStorage.setItem(key, value);
      else localStorage.removeItem(key);
    } catch {
      // the choice then holds for as long as the page is open
    }
  },
};

const THEME_KEY = "nerkd-report-theme";

const setTheme = (theme) => {
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
  else delete document.documentElement.dataset.theme;
};

const startTheme = () => {
  const theme = document.documentElement.dataset.theme ?? "";
  for (const choice of document.querySelectorAll("input[name=theme]")) {
    choice.checked = choice.value === theme;
    choice.addEventListener("change", () => {
      setTheme(choice.value);
      remembered.set(THEME_KEY, choice.value);
    });
  }
};

// Marks the section that is being read in the table of contents.
const startContents = () => {
  const links = new Map();
  for (const link of document.querySelectorAll(".contents a")) {
    const section = document.getElementById(link.hash.slice(1));
    if (section) links.set(section.id === "main" ? section.firstElementChild : section, link);
  }
  const near = new Set();
  const observer = new IntersectionObserver(
    (entries) => {
      for (const entry of entries) {
        if (entry.isIntersecting) near.add(entry.target);
        else near.delete(entry.target);
      }
      const reading = [...links.keys()].find((section) => near.has(section));
      for (const [section, link] of links) {
        if (section === reading) link.setAttribute("aria-current", "true");
        else link.removeAttribute("aria-current");
      }
    },
    { rootMargin: "-15% 0px -70% 0px" },
  );
  for (const section of links.keys()) observer.observe(section);
};

const copyText = async (text) => {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // not a secure place by this browser's rules, or not allowed: the old way
    const area = make("textarea", "unseen");
    area.value = text;
    const before = document.activeElement;
    document.body.append(area);
    area.select();
    const copied = document.execCommand("copy");
    area.remove();
    before?.focus();
    return copied;
  }
};

const copyFrom = (button, textOf) => {
  const name = button.textContent;
  let later = 0;
  button.addEventListener("click", async () => {
    const copied = await copyText(textOf());
    button.textContent = copied ? "Copied" : "Not allowed here";
    say(button.textContent);
    clearTimeout(later);
    later = setTimeout(() => {
      button.textContent = name;
    }, 2000);
  });
};

const startCopying = () => {
  for (const code of document.querySelectorAll("pre.code")) {
    const box = make("div", "code-box");
    const button = make("button", "copy", "Copy");
    button.type = "button";
    code.replaceWith(box);
    box.append(code, button);
    copyFrom(button, () => code.textContent);
  }
};

// At once, before anything is painted in other colours.
document.documentElement.classList.add("scripted");
setTheme(remembered.get(THEME_KEY));

document.addEventListener("DOMContentLoaded", () => {
  startTheme();
  startContents();
  startCopying();
  startTables();
  startBrowser();
});

