"""The contract table, one row a case: what each term moves, reads and is worth."""

import pytest

from tests.contract import CHECKS, CRITICS, GENERATOR
from usrda_plugin.method import CRITIC_TERMS, TERMS


@pytest.mark.parametrize("check", CHECKS)
def test_contract(check):
    function, *arguments = CHECKS[check]
    function(*arguments)


def test_every_term_has_a_row():
    assert set(TERMS) == set(GENERATOR)
    assert set(CRITIC_TERMS) == set(CRITICS)
