"""The one pass computes what is wanted and no more."""

import subprocess
import sys

import pytest
import torch

from usrda_plugin.method import one_pass

NETWORKS = ("encoder", "sr_decoder", "lr_decoder", "renderer")


@pytest.fixture
def counted():
    calls = []
    networks = {name: (lambda x, name=name: calls.append(name) or x + 1) for name in NETWORKS}
    return networks, calls


@pytest.mark.parametrize(
    ("wanted", "calls"),
    [
        (("y_ss",), ["encoder", "sr_decoder"]),
        (("x_tt",), ["encoder", "lr_decoder"]),
        (("y_sts",), ["encoder", "renderer", "encoder", "sr_decoder"]),
        (("y_sts", "y_ss", "x_st"), ["encoder", "sr_decoder", "renderer", "encoder", "sr_decoder"]),
        ((), []),
    ],
)
def test_only_the_routes_to_wanted_tensors_are_computed(counted, wanted, calls):
    networks, called = counted
    tensors = one_pass(networks, torch.zeros(1), torch.ones(1), wanted)
    assert called == calls
    assert all(tensors._asdict()[name] is not None for name in wanted)


def test_a_tensor_nobody_wants_is_none(counted):
    tensors = one_pass(counted[0], torch.zeros(1), torch.ones(1), ("y_ss",))
    assert tensors.x_tt is None
    assert tensors.y_sts is None


def test_source_routes_need_no_target(counted):
    assert one_pass(counted[0], torch.zeros(1), None, ("y_sts", "y_ss")).y_ss is not None


def test_target_routes_without_a_target_batch_are_an_error(counted):
    with pytest.raises(ValueError, match="target batch x_t"):
        one_pass(counted[0], torch.zeros(1), None, ("x_tt",))


def test_method_imports_where_basicsr_cannot():
    blocked = "import sys; sys.modules['basicsr'] = None; sys.modules['torchvision'] = None; "
    code = blocked + "import usrda_plugin.method as m; assert m.TERMS; print('imported')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "imported\n", done.stderr
