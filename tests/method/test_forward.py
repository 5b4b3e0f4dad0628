"""A forward pass computes what is needed and no more."""

import subprocess
import sys

import pytest
import torch

from usrda_plugin.method import Needs, Networks, Pass, batched_forward_pass, forward_pass


@pytest.fixture
def counted():
    calls = []
    networks = [lambda x, name=name: calls.append(name) or x + 1 for name in Networks._fields]
    return Networks(*networks), calls


@pytest.mark.parametrize(
    ("wanted", "calls"),
    [
        (("y_ss",), ["encoder", "sr_decoder"]),
        (("x_tt",), ["encoder", "lr_decoder"]),
        (("y_sts",), ["encoder", "noisy_lr_decoder", "encoder", "sr_decoder"]),
        (("y_sts", "y_ss", "x_st"), ["encoder", "sr_decoder", "noisy_lr_decoder", "encoder", "sr_decoder"]),
        ((), []),
    ],
)
def test_only_the_routes_to_needed_tensors_are_computed(counted, wanted, calls):
    networks, called = counted
    tensors = forward_pass(networks, torch.zeros(1), torch.ones(1), Needs.of(*wanted))
    assert called == calls
    assert all(tensors._asdict()[name] is not None for name in wanted)


def test_a_tensor_nobody_needs_is_none(counted):
    tensors = forward_pass(counted[0], torch.zeros(1), torch.ones(1), Needs.of("y_ss"))
    assert tensors.x_tt is None
    assert tensors.y_sts is None


def test_source_routes_need_no_target(counted):
    assert forward_pass(counted[0], torch.zeros(1), None, Needs.of("y_sts", "y_ss")).y_ss is not None


def test_target_routes_without_a_target_batch_are_an_error(counted):
    with pytest.raises(ValueError, match="target batch x_t"):
        forward_pass(counted[0], torch.zeros(1), None, Needs.of("x_tt"))


@pytest.mark.parametrize("compute", [forward_pass, batched_forward_pass])
def test_the_perturbed_target_is_super_resolved_as_the_target_is(compute):
    networks = Networks(lambda x: x + 1, lambda x: 10 * x, None, None)
    needs = Needs.of("y_tt", "y_tpt")
    tensors = compute(networks, torch.zeros(1), torch.ones(1), needs, x_tp=torch.tensor([2.0]))
    assert (tensors.y_tt, tensors.y_tpt) == (20, 30)
    assert tensors.f_s is None


def test_without_a_perturbed_target_its_route_is_an_error():
    with pytest.raises(ValueError, match="target batch x_tp"):
        forward_pass(None, torch.zeros(1), torch.ones(1), Needs.of("y_tpt"))


@pytest.mark.parametrize("compute", [forward_pass, batched_forward_pass])
def test_every_tensor_that_is_needed_is_made(compute):
    networks = Networks(*[lambda x: x] * 4)
    assert None not in compute(networks, torch.zeros(1), torch.ones(1), Needs.of(*Pass._fields), torch.ones(1))


def test_method_imports_where_basicsr_cannot():
    blocked = "import sys; sys.modules['basicsr'] = None; sys.modules['torchvision'] = None; "
    code = blocked + "import usrda_plugin.method as m; assert m.TERMS; print('imported')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "imported\n", done.stderr
