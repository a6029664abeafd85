from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from nerkd_local.report.page.inline import inline_svg
from tests.report.page.made_up import drawing

OPEN = '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="0 0 9 9">'


def inlined(svg: str, **more: str) -> ElementTree.Element:
    settings = {"prefix": "f1-", "title": "A title", "description": "What is seen"} | more
    return ElementTree.fromstring(inline_svg(svg, **settings))


def inside(markup: str) -> ElementTree.Element:
    """What becomes of one element."""
    return inlined(f"{OPEN}{markup}</svg>")[2]


def test_prolog_metadata_and_style_sheets_go_and_the_proportions_stay() -> None:
    text = inline_svg(
        f'<?xml version="1.0"?>\n<!-- made -->{OPEN}<metadata>date</metadata><defs><style>*{{}}</style></defs></svg>',
        prefix="f1-",
        title="t",
        description="d",
    )
    assert text == (
        '<svg viewBox="0 0 9 9" role="img" aria-labelledby="f1-title" aria-describedby="f1-desc"'
        ' stroke-linejoin="round" fill="var(--ink)"><title id="f1-title">t</title><desc id="f1-desc">d</desc></svg>'
    )


def test_it_is_an_image_with_a_name_and_a_description_that_are_text() -> None:
    root = inlined(drawing(), title='a <b> & "c"', description="</svg><script>")
    assert root.get("role") == "img"
    title, description = root[0], root[1]
    assert (title.tag, title.text, title.get("id")) == ("title", 'a <b> & "c"', root.get("aria-labelledby"))
    assert (description.tag, description.text) == ("desc", "</svg><script>")
    assert description.get("id") == root.get("aria-describedby")
    assert root.get("width") is None


def test_ids_that_are_used_get_the_prefix_and_the_others_go() -> None:
    root = inlined(drawing())
    ids = {element.get("id") for element in root.iter()} - {None}
    assert ids == {"f1-title", "f1-desc", "f1-m0", "f1-p0"}
    (use,) = root.iter("use")
    assert use.get("href") == "#f1-m0"
    assert [element.get("clip-path") for element in root.iter("g") if element.attrib] == ["url(#f1-p0)"]


def test_styles_become_attributes_and_colours_variables() -> None:
    shape = inside(
        '<path d="M 0 0\nL 1 1" style="fill: #FFFFFF; stroke: #0072b2; stroke-dasharray: 1,2; opacity: .5"/>'
    )
    assert shape.attrib == {
        "d": "M 0 0 L 1 1",
        "fill": "var(--paper)",
        "stroke": "var(--human)",
        "stroke-dasharray": "1,2",
        "opacity": ".5",
    }
    assert inside('<path fill="#123456" stroke="#f0b429" d=""/>').attrib == {
        "fill": "#123456",
        "stroke": "var(--llm)",
        "d": "",
    }
    assert "style" not in inline_svg(drawing(), prefix="f1-", title="t", description="d")


def test_text_stays_text_in_the_font_that_the_page_gives_it() -> None:
    root = inlined(drawing("a<b>&c"))
    (text,) = root.iter("text")
    assert text.text == "a<b>&c"
    assert "font-family" not in text.attrib
    assert text.get("font-size") == "9.5px"
    other = inside("<text style=\"font-family: 'cmr10'\">x<tspan x='1'>y</tspan> z</text>")
    assert other.get("font-family") == "'cmr10'"
    assert "".join(other.itertext()) == "xy z"


@pytest.mark.parametrize(
    ("markup", "said"),
    [
        ("<script>x</script>", "script"),
        ("<foreignObject/>", "foreignObject"),
        ("<a href='#x'/>", "<{http://www.w3.org/2000/svg}a>"),
        ("<animate/>", "animate"),
        ("<g><g><set/></g></g>", "set"),
        ("<svg:path xmlns:svg='http://other'/>", "http://other"),
        ("<path onload='x'/>", "onload"),
        ("<image href='https://example.org/x.png'/>", "https://example.org/x.png"),
        ("<use xlink:href='other.svg#a'/>", "other.svg#a"),
        ("<image href='data:image/svg+xml;base64,x'/>", "data:image/svg"),
        ("<path fill='url(https://example.org)'/>", "https://example.org"),
        ("<path fill='URL(//example.org)'/>", "example.org"),
        ("<path style='fill: url(x.svg#a)'/>", "x.svg"),
        ("<path fill='url(#a) url(b)'/>", "url"),
        ("<path style='behavior: url(#x)'/>", "behavior"),
        ("<path style='fill'/>", "'fill'"),
    ],
)
def test_what_no_drawing_needs_is_refused(markup: str, said: str) -> None:
    with pytest.raises(ValueError, match="an SVG figure") as refused:
        inside(markup)
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("not XML", "not well-formed"),
        ("<svg/>", "begins with <svg>"),
        ("<html xmlns='http://www.w3.org/1999/xhtml'/>", "begins with"),
        ('<!DOCTYPE svg [<!ENTITY a "aaaa">]><svg>&a;</svg>', "entities"),
    ],
)
def test_what_is_no_drawing_is_refused(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        inline_svg(text, prefix="f1-", title="t", description="d")


def test_pixels_inside_a_figure_stay() -> None:
    assert inside("<image href='data:image/png;base64,AA=='/>").get("href") == "data:image/png;base64,AA=="


def test_what_the_canvas_draws_is_taken(tmp_path: Path) -> None:
    from nerkd_local.report.canvas import HUMAN, LLM, Heading, Mark, add_axes, page

    path = tmp_path / "drawn.svg"
    with page(path, 6, 3) as figure:
        Heading("Title & <more>", "how to read it", [Mark("original", HUMAN, "o", "-"), Mark("b", LLM, "s")], 5).draw(
            figure, 0.3
        )
        axes = add_axes(figure, 0.5, 1, 5, 1.5)
        axes.plot([0, 1], [0, 1], "o-", color=HUMAN, markeredgecolor="white", alpha=0.5)
        axes.fill_between([0, 1], [0, 1], color=LLM, hatch="//")
        axes.scatter([0, 1], [1, 0], c=[0, 1])
    root = inlined(path.read_text(encoding="utf-8"))
    texts = [element.text for element in root.iter("text")]
    assert "Title & <more>" in texts
    used = {element.get("href", "#")[1:] for element in root.iter("use")}
    assert used <= {element.get("id") for element in root.iter()}
    assert {"var(--human)", "var(--llm)", "var(--paper)"} <= {
        value for element in root.iter() for value in element.attrib.values()
    }
