"""A forward pass computes what is needed and no more."""

import subprocess
import sys

import pytest
import torch

from usrda_plugin.method import Needs, Networks, Pass, batched_forward_pass, forward_pass
from usrda_plugin.method.modes import at_rest


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


def test_a_g_t_with_noise_is_called_for_each_domain(counted):
    networks, called = counted
    tensors = batched_forward_pass(networks, torch.zeros(1), torch.ones(1), Needs.of("x_tt", "x_st"))
    assert called == ["encoder", "lr_decoder", "noisy_lr_decoder"]
    assert (tensors.x_st, tensors.x_tt) == (2, 3)


@pytest.mark.parametrize(
    ("tensor", "sr_decoder", "lr_decoder"),
    [
        ("f_t", False, False),
        ("y_ss", True, False),
        ("x_tt", False, True),
        ("y_sts", True, True),
        ("y_tpt", True, False),
    ],
)
def test_the_decoders_on_the_way_to_a_tensor_are_told(tensor, sr_decoder, lr_decoder):
    needs = Needs.of(tensor)
    assert (needs.sr_decoder, needs.lr_decoder) == (sr_decoder, lr_decoder)


def test_networks_at_rest_take_up_what_they_were_doing():
    networks = [torch.nn.BatchNorm1d(2), torch.nn.BatchNorm1d(2).eval()]
    with at_rest(networks):
        assert not any(network.training for network in networks)
        networks[0](torch.rand(4, 2))
    assert [network.training for network in networks] == [True, False]
    assert networks[0].num_batches_tracked == 0


def test_method_imports_where_basicsr_cannot():
    blocked = "import sys; sys.modules['basicsr'] = None; sys.modules['torchvision'] = None; "
    code = blocked + "import usrda_plugin.method as m; assert m.TERMS; print('imported')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "imported\n", done.stderr
