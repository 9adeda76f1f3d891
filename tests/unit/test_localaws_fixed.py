"""How long jobs of `fixed` run."""

import pytest

from localaws.errors import UsageError
from localaws.recognition.fixed import fixed


def test_fixed_is_always_the_same() -> None:
    assert {fixed("fixed:2.5")(name) for name in "abc"} == {2.5}


@pytest.mark.parametrize("text", ["fixed", "fixed:-1", "fixed:nan", "fixed:x", "random:25"])
def test_a_length_that_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        fixed(text)
