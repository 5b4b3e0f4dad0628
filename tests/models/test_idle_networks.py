"""Which phases of training leave a network of the generator without a gradient, as the options tell it."""

import pytest

from usrda_plugin.method import networks_used
from usrda_plugin.models.criteria import active_terms
from usrda_plugin.models.objective import asking_terms, leaves_networks_idle

ALL = ("align", "rec", "res", "sty", "idt", "cyc")


@pytest.mark.parametrize(
    ("wanted", "networks"),
    [
        (("f_s", "f_t"), {"encoder"}),
        (("y_ss",), {"encoder", "sr_decoder"}),
        (("x_st",), {"encoder", "lr_decoder"}),
        (("y_sts",), {"encoder", "sr_decoder", "lr_decoder"}),
    ],
)
def test_the_networks_on_the_way_to_a_tensor_are_used(wanted, networks):
    assert networks_used(wanted) == networks


@pytest.mark.parametrize(
    ("terms", "psnr_iter", "idle"),
    [
        (ALL, 0, False),
        (ALL, 10, False),
        (("rec",), 0, True),
        (("align", "rec"), 0, True),
        (("res", "sty", "idt"), 0, True),
        (("cyc",), 0, False),
        (("rec", "sty", "cyc"), 0, False),
        (("rec", "sty", "cyc"), 10, True),
    ],
)
def test_what_some_phase_leaves_out_is_told(terms, psnr_iter, idle):
    options = {f"{term}_opt": {"loss_weight": 1.0 if term in terms else 0} for term in ALL}
    options["pixel_opt"] = {"loss_weight": 1.0}  # the part without which rec and cyc would be no terms
    assert leaves_networks_idle({**options, "psnr_iter": psnr_iter}) is idle
    absent = {key: block for key, block in options.items() if block["loss_weight"]}
    assert leaves_networks_idle({**absent, "psnr_iter": psnr_iter}) is idle


def test_a_term_without_a_part_asks_no_critic_and_uses_no_network():
    options = {"rec_opt": {"loss_weight": 1}, "res_opt": {"type": "L1Loss"}, "sty_opt": {"loss_weight": 0.1}}
    assert active_terms(options) == ("res", "sty")
    assert asking_terms(options) == {"f": [], "t": ["sty"], "y": [], "h": []}
    assert active_terms({**options, "gan_opt": {}}) == ("rec", "res", "sty")
    assert asking_terms({**options, "gan_opt": {}})["y"] == ["rec"]
