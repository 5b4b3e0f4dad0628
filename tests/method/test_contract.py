"""The contract table, one row a case: what each term moves, reads and is worth."""

import pytest

from tests.contract import CHECKS, CRITICS, GENERATOR
from usrda_plugin.method import CRITIC_TERMS, TERMS, reads_target


@pytest.mark.parametrize("check", CHECKS)
def test_contract(check):
    function, *arguments = CHECKS[check]
    function(*arguments)


def test_every_term_has_a_row():
    assert set(TERMS) == set(GENERATOR)
    assert set(CRITIC_TERMS) == set(CRITICS)


def test_the_terms_that_need_a_target_domain_are_those_whose_rows_or_critics_read_it():
    asking = {"f": "align", "t": "sty", "h": "hr"}
    by_rows = {name for name, row in GENERATOR.items() if "x_t" in row.reads}
    by_rows |= {term for critic, term in asking.items() if "x_t" in CRITICS[critic].reads}
    assert {name for name in TERMS if reads_target(name)} == by_rows
