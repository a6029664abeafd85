"""A figure's SVG made part of the page: without a style of its own, and in the page's colours."""

from __future__ import annotations

from xml.etree import ElementTree

from nerkd_local.report.page.theme import INKS

_SVG = "{http://www.w3.org/2000/svg}"
_XLINK = "{http://www.w3.org/1999/xlink}"
# What a drawing is made of. Scripts, animations, embedded pages and links are not.
# fmt: off
_ELEMENTS = {
    "svg", "g", "defs", "path", "use", "rect", "circle", "ellipse", "line", "polyline", "polygon", "text",
    "tspan", "clipPath", "pattern", "image", "marker", "mask", "linearGradient", "radialGradient", "stop",
    "symbol", "title", "desc",
}
# Every property of a style that SVG also takes as an attribute: a policy without 'unsafe-inline' allows no style.
_PROPERTIES = {
    "clip-path", "clip-rule", "color", "display", "dominant-baseline", "fill", "fill-opacity", "fill-rule",
    "font-family", "font-size", "font-stretch", "font-style", "font-variant", "font-weight", "image-rendering",
    "letter-spacing", "marker-end", "marker-mid", "marker-start", "mask", "opacity", "paint-order",
    "shape-rendering", "stop-color", "stop-opacity", "stroke", "stroke-dasharray", "stroke-dashoffset",
    "stroke-linecap", "stroke-linejoin", "stroke-miterlimit", "stroke-opacity", "stroke-width", "text-anchor",
    "text-rendering", "vector-effect", "visibility",
}
# fmt: on
_LEFT_OUT = frozenset((f"{_SVG}metadata", f"{_SVG}style"))
_COLOURED = ("fill", "stroke", "stop-color", "color")


def inline_svg(svg: str, *, prefix: str, title: str, description: str) -> str:
    """One `<svg>` element to stand inside HTML, from an SVG file that this package drew.

    - ids, and what refers to them, begin with `prefix`: figures do not collide; ids that nothing refers to go.
    - `style` attributes become attributes of their own, so that the page's policy needs to allow no inline style.
    - Colours of the canvas become CSS variables (`theme.INKS`), others stay. Text without a font of its own takes the
      page's font for figures.
    - It is an image with `title` as its name and `description`; both are text.
    - Metadata, comments, style sheets and the size are left out; it keeps its proportions (`viewBox`).

    Raises ValueError for what is no SVG, for an entity declaration, and for an element, property or reference that a
    drawing does not need: `script`, `foreignObject`, `href="https:..."`, `onload`.
    """
    # the parser fetches nothing, but would expand what a file declares itself
    if "<!ENTITY" in svg:
        raise ValueError("an SVG figure declares entities")
    try:
        root = ElementTree.fromstring(svg)
    except ElementTree.ParseError as error:
        raise ValueError(f"an SVG figure is not well-formed: {error}") from error
    if root.tag != f"{_SVG}svg":
        raise ValueError(f"an SVG figure begins with <{root.tag}>")
    drawing = _inlined(root, prefix, _targets(root))
    for name in ("width", "height", "version"):
        drawing.attrib.pop(name, None)
    names = {"title": f"{prefix}title", "desc": f"{prefix}desc"}
    drawing.attrib |= {
        "role": "img",
        "aria-labelledby": names["title"],
        "aria-describedby": names["desc"],
        # what matplotlib's style sheet says of all elements, in its place
        "stroke-linejoin": "round",
        "fill": _colour("#000000"),  # matplotlib does not say black
    }
    for position, (tag, text) in enumerate((("title", title), ("desc", description))):
        element = ElementTree.Element(tag, {"id": names[tag]})
        element.text = text
        drawing.insert(position, element)
    return ElementTree.tostring(drawing, encoding="unicode")


def _inlined(element: ElementTree.Element, prefix: str, used: set[str]) -> ElementTree.Element:
    """A copy without namespaces: in HTML they are implied."""
    tag = element.tag.removeprefix(_SVG)
    if tag not in _ELEMENTS:
        raise ValueError(f"an SVG figure holds <{element.tag}>, which no drawing needs")
    copy = ElementTree.Element(tag, _attributes(element, prefix, used))
    keeps_text = tag in ("text", "tspan", "title", "desc")
    copy.text = element.text if keeps_text else None
    for child in element:
        if child.tag in _LEFT_OUT:
            continue
        inner = _inlined(child, prefix, used)
        if inner.tag in ("g", "defs") and not len(inner):
            continue
        inner.tail = child.tail if keeps_text else None
        if inner.tag == "g" and not inner.attrib:
            copy.extend(inner)
        else:
            copy.append(inner)
    return copy


def _attributes(element: ElementTree.Element, prefix: str, used: set[str]) -> dict[str, str]:
    attributes: dict[str, str] = {}
    for name, value in element.attrib.items():
        name = name.removeprefix(_XLINK)
        value = " ".join(value.split())  # a line break would be written as five characters
        if name == "style":
            attributes |= _properties(value)
        elif name == "id":
            if value in used:
                attributes["id"] = prefix + value
        elif name == "href":
            attributes["href"] = _reference(value, prefix)
        elif name.startswith("on"):
            raise ValueError(f"an SVG figure holds the attribute {name}, which would run")
        elif not name.startswith("{"):
            attributes[name] = value
    for name, value in attributes.items():
        if name in _COLOURED:
            value = attributes[name] = _colour(value)
        if "url(" in value.lower():
            attributes[name] = f"url(#{prefix}{_local_url(value)})"
    return attributes


def _properties(style: str) -> dict[str, str]:
    """A `style` attribute as attributes. Figures hold no value with a semicolon or a colon of its own."""
    found = {}
    for declaration in filter(str.strip, style.split(";")):
        name, colon, value = (part.strip() for part in declaration.partition(":"))
        if not colon or name not in _PROPERTIES:
            raise ValueError(f"an SVG figure is styled by {declaration.strip()!r}, which is not known")
        found[name] = value
    if "DejaVu Sans" in found.get("font-family", ""):
        del found["font-family"]  # the canvas' own, in every single text: the page says it once
    return found


def _targets(root: ElementTree.Element) -> set[str]:
    """The ids that something in the figure refers to."""
    values = [value.strip() for element in root.iter() for value in element.attrib.values()]
    urls = {_local_url(part.strip()) for value in values for part in value.split(";") if "url(#" in part}
    return urls | {value[1:] for value in values if value.startswith("#")}


def _local_url(value: str) -> str:
    """The id in `url(#id)`, alone or after a property's name."""
    _, _, rest = value.partition("url(#")
    target, closed, after = rest.partition(")")
    if not target or not closed or after:
        raise ValueError(f"an SVG figure refers to {value[:80]}")
    return target


def _reference(value: str, prefix: str) -> str:
    if value.startswith("#"):
        return f"#{prefix}{value[1:]}"
    if value.startswith("data:image/png;base64,"):  # drawn pixels inside a figure
        return value
    raise ValueError(f"an SVG figure refers to {value[:80]}")


def _colour(value: str) -> str:
    variable = INKS.get(value.lower())
    return value if variable is None else f"var(--{variable})"
