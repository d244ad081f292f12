"""What the tests below run over, and how a rule is walked along a list of gradients: see `tests.methods`."""

from __future__ import annotations

import pytest

from tests import methods


@pytest.fixture(params=methods.RULES, ids=list(methods.RULES))
def rule(request):
    return methods.RULES[request.param]


@pytest.fixture
def follow():
    return methods.follow
