"""The source of a user's part: what changes its hash, and what does not."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dropbench.config.compose import composer
from dropbench.config.source_hash import bare, source_hash, text_hash

NET = '''"""A module."""
# A comment
import helper_of_net
from pkg_of_net import part, Thing
import numpy as np


class Net:
    """Says something."""

    def width(self):
        "one line"
        return helper_of_net.WIDTH + 1  # more
'''
FILES = {
    "net_of_user.py": NET,
    "helper_of_net.py": "WIDTH = 3\n",
    "pkg_of_net/__init__.py": "from .inner import Thing\n",
    "pkg_of_net/inner.py": "from ..helper_of_net import WIDTH\n\nclass Thing:\n    pass\n",
    "pkg_of_net/part.py": "import json\nX = 1\n",
    "beside.py": "Y = 1\n",
}


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    return tmp_path


def hashed() -> str:
    source_hash.cache_clear()
    return source_hash("net_of_user.Net")


@pytest.mark.parametrize(
    ("file", "old", "new", "changes"),
    [
        ("net_of_user.py", "# A comment", "# Another: 'quoted'\n\n# é", False),
        ("net_of_user.py", '"""A module."""', "", False),
        ("net_of_user.py", '"""Says something."""', '"""Says\n    more."""', False),
        ("net_of_user.py", "  # more", "   ", False),
        ("net_of_user.py", '        "one line"\n', "", False),
        ("net_of_user.py", "class Net:", "\f\nclass Net:", False),  # a page break, which ends no line
        ("net_of_user.py", "+ 1", "+ 2", True),
        ("net_of_user.py", "import numpy as np", "import numpy", True),
        ("helper_of_net.py", "3", "4", True),
        ("pkg_of_net/__init__.py", "Thing", "Thing as T", True),
        ("pkg_of_net/inner.py", "pass", "y = 1", True),
        ("pkg_of_net/part.py", "X = 1", "X = 2", True),
        ("beside.py", "Y = 1", "Y = 2", False),
    ],
)
def test_code_counts_wherever_it_is_and_prose_does_not(
    root: Path, file: str, old: str, new: str, changes: bool
) -> None:
    before = hashed()
    text = (root / file).read_text()
    assert old in text
    (root / file).write_text(text.replace(old, new, 1))
    assert (hashed() != before) is changes
    (root / file).write_text(text)
    assert hashed() == before


def test_an_installed_package_counts_by_its_version(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = hashed()
    (root / "helper_of_net.py").write_text("WIDTH = 3\nimport pandas.core\n")
    monkeypatch.setattr("dropbench.config.source_hash.version", lambda name: "1.0")
    one = hashed()
    monkeypatch.setattr("dropbench.config.source_hash.version", lambda name: "2.0")
    assert len({before, one, hashed()}) == 3


prose = st.text(st.characters(codec="utf-8", exclude_characters="\"'\\\n\r\x0c\x00#", exclude_categories=["C", "Z"]))


@given(words=st.lists(prose, min_size=3, max_size=3))
def test_comments_and_docstrings_leave_no_trace(words: list[str]) -> None:
    plain = "x = 'a # b'\n\n\ndef f(a):\n    return f'{a!r:>5} # {x}'\n"
    comment, first, second = words
    decorated = (
        f'"""{first}"""\n\nx = \'a # b\'  # {comment}\n# {second}\n\ndef f(a):  # {first}\n    """{second}\n    """\n'
    )
    decorated += "    return f'{a!r:>5} # {x}'   \n\n"
    assert bare(decorated) == bare(plain) == "x = 'a # b'\ndef f(a):\n    return f'{a!r:>5} # {x}'"


def test_a_users_parts_get_their_hash_when_composed_and_ours_do_not(root: Path, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "mine.yaml").write_text(
        "# Ours by another name\n_target_: dropbench.models.mlp.MLP\nname: mine\nwidths: [4]\n"
    )
    (tmp_path / "metric").mkdir()
    (tmp_path / "metric" / "own.yaml").write_text("# Own\nown:\n  _target_: own_metric.own\n  name: own\n")
    (tmp_path / "own_metric.py").write_text("def own(logits, targets):\n    return targets\n")
    with composer([tmp_path]) as c:
        spec = c.compose({"model": "model=mine", "metric": "metric=[loss,own]"}).spec
        assert set(spec.sources) == {"dropbench.models.mlp.MLP", "own_metric.own"}
        assert spec.data.source is spec.dropout.source is spec.metric["loss"].source is None
        before = spec.run_id
        (tmp_path / "own_metric.py").write_text("def own(logits, targets):\n    return 2 * targets\n")
        source_hash.cache_clear()
        again = c.compose({"model": "model=mine", "metric": "metric=[loss,own]"}).spec
    assert again.sources != spec.sources and again.run_id == before  # it is not what training monitors


def test_of_a_program_of_dropbench_the_modules_beside_it_count(monkeypatch: pytest.MonkeyPatch) -> None:
    read, before = Path.read_text, text_hash("dropbench.programs.labelling.advantage")
    assert text_hash("dropbench.programs.labelling.curve") == before != text_hash("dropbench.programs.stability.change")

    def edited(end: str) -> str:
        def text(self: Path, *args: Any, **kwargs: Any) -> str:
            return read(self, *args, **kwargs) + "\nEDITED = 1\n" * self.as_posix().endswith(end)

        monkeypatch.setattr(Path, "read_text", text)
        return text_hash("dropbench.programs.labelling.advantage")

    assert edited("dropbench/programs/network.py") != before
    assert edited("dropbench/data/digits.py") == before
