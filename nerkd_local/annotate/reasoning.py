r"""What a model writes before its answer: its thinking, and the four steps that `cot` asks for.

Both are free text, and one request carries them and the answer: the constraint spans all of it, so that it cannot
be left (an answer always comes, and in its format), and reading finds the answer again. The free parts are bounded
by the request's tokens alone. A bound in characters, `[^\n]{1,400}`, takes xgrammar 0.2.8 seconds to compile for a
vocabulary of 150,000 (7 s against 0.14 s), and vLLM gives up after 5. Thinking may not hold every text without a
`</think>`, but those without `</` and `<<`: to tell the others costs 150 ms a token in place of 0.2 there.
"""

from __future__ import annotations

import re

from nerkd_local.annotate.settings import Thinking

STEPS = 4
ANSWER_LINE = "Answer:"

_STEPS = "".join(rf"{number}\. [^\n\r]+\n" for number in range(1, STEPS + 1)) + rf"{ANSWER_LINE}\n"
# also as models put it that nothing constrains: as a heading, in bold, or with the answer on the same line
_ANSWER_LINE = re.compile(rf"^[ #*]*{ANSWER_LINE}[ *]*", re.MULTILINE)

_TAG = "<think>"
_PREFIXES: dict[Thinking, str] = {
    # no `</` but the last one, and no `<<`
    "tags": r"[^<]*(<[^/<][^<]*)*</think>\n{0,2}",
    # no `<|` but the last one, and no `<<`
    "channels": (
        r"(<\|channel\|>analysis<\|message\|>[^<]*(<[^|<][^<]*)*<\|end\|><\|start\|>assistant)?"
        r"<\|channel\|>final<\|message\|>"
    ),
}
# the same as EBNF, for grammars
_STEP_RULES = " ".join(rf'"{number}. " [^\n\r]+ "\n"' for number in range(1, STEPS + 1)) + rf' "{ANSWER_LINE}\n"'
_PREFIX_RULES: dict[Thinking, str] = {
    "tags": r'[^<]* ("<" [^/<] [^<]*)* "</think>" "\n"? "\n"?',
    "channels": (
        r'("<|channel|>analysis<|message|>" [^<]* ("<" [^|<] [^<]*)* "<|end|><|start|>assistant")? '
        r'"<|channel|>final<|message|>"'
    ),
}
_ENDS: dict[Thinking, re.Pattern[str]] = {
    "tags": re.compile("</think>"),
    # what stands between is a word or two; without a bound a text full of `final` takes its length squared
    "channels": re.compile(r"<\|channel\|>final[^\n]{0,100}?<\|message\|>"),
}


def allow_steps(constraint: str) -> str:
    """The regular expression of all texts of four numbered lines, a line `Answer:`, and what `constraint` admits."""
    return f"{_STEPS}({constraint})"


def allow_thinking(constraint: str, thinking: Thinking) -> str:
    """The regular expression of all texts in which what `constraint` admits follows the thinking."""
    prefix = _PREFIXES.get(thinking)
    return constraint if prefix is None else f"{prefix}({constraint})"


def reasoning_rule(thinking: Thinking, *, has_steps: bool) -> str:
    """What `allow_steps` and `allow_thinking` put before the answer, in EBNF; empty where nothing is."""
    return " ".join(filter(None, (_PREFIX_RULES.get(thinking), _STEP_RULES if has_steps else None)))


def is_in_text(thinking: Thinking) -> bool:
    """Whether the thinking stands in the answer's text, where control tokens of the model tell the two apart."""
    return thinking in _PREFIXES


def skip_thinking(text: str, thinking: Thinking, *, constrained: bool) -> str | None:
    """What follows the thinking; None if the thinking never ended, so that nothing in it is taken for an answer.

    Under a constraint the first end is the end. Without one it is the last: thinking may quote the sentence, and
    that may hold a `</think>` of its own. Text that begins with `<think>` thinks whatever the settings say: no
    answer format begins like this.
    """
    if thinking not in _ENDS and text.lstrip().startswith(_TAG):
        thinking = "tags"
    if thinking not in _ENDS:
        return text
    ends = [match.end() for match in _ENDS[thinking].finditer(text)]
    return text[ends[0 if constrained else -1] :] if ends else None


def skip_steps(text: str) -> str:
    """What follows the last `Answer:` at the beginning of a line; the whole text where a model left that out."""
    ends = [match.end() for match in _ANSWER_LINE.finditer(text)]
    return text[ends[-1] :] if ends else text
