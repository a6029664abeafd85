"""Text without spaces between words: tokens in which every mention's borders lie."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerkd_local.corpus.text import find_sentences, tokenize

CHARACTERS = st.sampled_from(list("東京はがー。「ｶﾞ\u3099\ufe00ก็ำเ๑ກໍក្ខកាန်မ္မာ\u200b\u200dab1.,' \n한\U00020bb7"))


def words(text: str) -> str:
    return "|".join(text[start:end] for start, end in tokenize(text))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("我住在北京。", "我|住|在|北|京|。"),
        ("2024年にABC株式会社が", "2024|年|に|ABC|株|式|会|社|が"),
        ("「ソニー」（東京）", "「|ソ|ニ|ー|」|（|東|京|）"),
        ("㈱ABCは5㎏", "㈱|ABC|は|5|㎏"),  # squared, and vertical
        ("﹁東京﹂", "﹁|東|京|﹂"),
        ("か\u3099く", "か\u3099|く"),  # a combining voiced mark
        ("ｶﾞｽ", "ｶﾞ|ｽ"),
        ("葛\U000e0100城", "葛\U000e0100|城"),  # a variation selector
        ("อยู่ที่นี่ ๒๕๖๗", "อ|ยู่|ที่|นี่|๒๕๖๗"),
        ("น้ำ", "น้ำ"),
        ("ຢູ່ວຽງຈັນ", "ຢູ່|ວ|ຽ|ງ|ຈັ|ນ"),
        ("ភ្នំពេញ។", "ភ្នំ|ពេ|ញ|។"),  # a consonant below the first
        ("မန္တလေး", "မ|န္တ|လေး"),
        ("한국어는 쓴다.", "한국어는|쓴다|."),  # Korean has spaces
        ("Ann's col·lecció", "Ann|'s|col·lecció"),
        ("\u3099a", "\u3099|a"),  # a mark without its character
    ],
)
def test_each_character_with_its_marks_is_a_token(text: str, expected: str) -> None:
    assert words(text) == expected


@given(st.text(CHARACTERS, max_size=30))
def test_tokens_cover_all_but_white_space_in_order(text: str) -> None:
    position = 0
    for start, end in tokenize(text):
        assert not text[position:start].strip()
        assert start < end
        position = end
    assert not text[position:].strip()


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        ("ja", "田中さんは来た。本当？はい！", ["田中さんは来た。", "本当？", "はい！"]),
        ("zh", "我住在北京。你呢？", ["我住在北京。", "你呢？"]),
        ("my", "ရန်ကုန်မှာ နေတယ်။ သူသွားတယ်။", ["ရန်ကုန်မှာ နေတယ်။", "သူသွားတယ်။"]),
        ("km", "ខ្ញុំរស់នៅភ្នំពេញ។ គាត់ទៅ។", ["ខ្ញុំរស់នៅភ្នំពេញ។", "គាត់ទៅ។"]),
        ("th", "เขาอยู่ที่นี่ วันนี้ร้อน", ["เขาอยู่ที่นี่ วันนี้ร้อน"]),  # no mark ends a sentence in Thai
    ],
)
def test_sentences_end_where_the_script_marks_it(language: str, text: str, expected: list[str]) -> None:
    assert [text[start:end] for start, end in find_sentences(text, language)] == expected
