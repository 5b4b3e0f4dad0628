"""USRDANet: shapes, the equality with RRDBNet, and whose weights it takes."""

import pytest
import torch
from basicsr.archs.rrdbnet_arch import RRDBNet

from usrda_plugin.archs import USRDANet
from usrda_plugin.method import Needs

SMALL = {"num_feat": 8, "num_block": 3, "num_grow_ch": 4, "num_block_encoder": 2, "num_block_lr_decoder": 1}
ENCODERS = ("conv", "rrdb", "trunk")


def small(**options):
    torch.manual_seed(0)
    return USRDANet(**{**SMALL, **options}).eval()


@pytest.mark.parametrize("scale", [1, 2, 3, 4])
@pytest.mark.parametrize("encoder", ENCODERS)
def test_every_encoder_and_scale_gives_images_of_the_right_size(encoder, scale):
    net = small(encoder=encoder, scale=scale)
    x = torch.rand(2, 3, 12, 16)
    with torch.no_grad():
        tensors = net(x, torch.rand(2, 3, 12, 16))
        assert net(x).shape == (2, 3, 12 * scale, 16 * scale)
    assert tensors.x_st.shape == tensors.x_tt.shape == x.shape
    assert tensors.y_sts.shape == tensors.y_ss.shape == (2, 3, 12 * scale, 16 * scale)
    assert tensors.f_st.shape == tensors.f_s.shape


@pytest.mark.parametrize("scale", [1, 2, 4])
def test_trunk_is_rrdbnet_bit_for_bit(scale):
    torch.manual_seed(1)
    reference = RRDBNet(3, 3, scale=scale, num_feat=8, num_block=3, num_grow_ch=4).eval()
    net = small(encoder="trunk", scale=scale)
    weights = net.fit_weights({"params": reference.state_dict()})
    net.load_state_dict(weights, strict=False)
    x = torch.rand(1, 3, 16, 24)
    with torch.no_grad():
        assert torch.equal(net(x), reference(x))
        assert torch.equal(net(x, needs=Needs.of("y_ss")).y_ss, reference(x))


@pytest.mark.parametrize(("scale", "size"), [(1, (9, 14)), (2, (9, 13)), (2, (1, 1)), (3, (7, 5)), (4, (5, 3))])
def test_trunk_takes_images_of_any_size(scale, size):
    assert small(encoder="trunk", scale=scale)(torch.rand(1, 3, *size)).shape[-2:] == (size[0] * scale, size[1] * scale)


def test_padding_leaves_what_it_does_not_touch_alone():
    net = small(encoder="trunk", scale=2, num_block=1)
    x = torch.rand(1, 3, 61, 60)
    with torch.no_grad():
        # an even crop of an odd image: the same far away from the mirrored row
        assert torch.allclose(net(x)[..., :60, :], net(x[..., :60, :])[..., :60, :], atol=1e-6)


def test_all_blocks_of_rrdb_are_shared_out_between_encoder_and_sr_decoder():
    net = small(encoder="rrdb")
    assert (len(net.encoder.body), len(net.sr_decoder.body), len(net.lr_decoder.body)) == (2, 1, 1)


def test_noise_makes_the_lr_decoder_random_and_nothing_else():
    net = small(noise_ch=2, scale=2)
    x = torch.rand(1, 3, 12, 12)
    with torch.no_grad():
        assert not torch.equal(net.render_target_style(x), net.render_target_style(x))
        assert torch.equal(net(x), net(x))


def test_the_target_itself_is_restored_without_noise():
    net = small(noise_ch=2, scale=2)
    x = torch.rand(1, 3, 12, 12)
    with torch.no_grad():
        first, second = net(x, x), net(x, x)
    assert torch.equal(first.x_tt, second.x_tt)
    assert not torch.equal(first.x_st, second.x_st)


def test_without_noise_the_lr_decoder_is_deterministic():
    net = small(scale=2)
    x = torch.rand(1, 3, 12, 12)
    assert torch.equal(net.render_target_style(x), net.render_target_style(x))


def test_lr_decoder_can_answer_below_zero():
    # an output ReLU would die; the output is linear
    net = small(scale=2)
    net.lr_decoder.conv_last.bias.data.fill_(-5.0)
    assert net.render_target_style(torch.rand(1, 3, 8, 8)).max() < 0


@pytest.mark.parametrize(
    "wrong",
    [{"scale": 5}, {"scale": 0}, {"encoder": "unet"}, {"encoder": "rrdb", "num_block_encoder": 4}],
)
def test_what_cannot_be_built_is_refused_with_what_was_found(wrong):
    with pytest.raises(ValueError, match=f"expected.*found.*{next(reversed(wrong.values()))}"):
        small(**wrong)


def test_a_misspelt_argument_does_not_vanish():
    with pytest.raises(TypeError, match="num_feats"):
        USRDANet(num_feats=8)


class TestFitWeights:
    def test_a_checkpoint_of_the_public_reimplementation_loads_into_the_conv_encoder(self):
        net = small(encoder="conv")
        parts = {"model_Enc": "encoder", "model_Dec_SR": "sr_decoder", "model_Dec_Id": "lr_decoder"}
        content = {name: dict(net.get_submodule(part).state_dict()) for name, part in parts.items()} | {"epoch": 3}
        other = small(encoder="conv")
        for parameter in other.parameters():
            parameter.data.zero_()
        other.load_state_dict(other.fit_weights(content))
        x = torch.rand(1, 3, 8, 8)
        assert torch.equal(other(x), net(x))

    def test_prefixes_of_parallel_training_are_dropped(self):
        net = small()
        content = {"params": {f"module.{key}": value for key, value in net.state_dict().items()}}
        assert net.fit_weights(content).keys() == net.state_dict().keys()

    def test_the_average_is_taken_where_it_is_asked_for_and_the_weights_where_there_is_none(self):
        net = small()
        zeros = {key: torch.zeros_like(value) for key, value in net.state_dict().items()}
        both = {"params": net.state_dict(), "params_ema": zeros}
        assert all(not value.any() for value in net.fit_weights(both, "params_ema").values())
        assert net.fit_weights({"params": zeros}, "params_ema").keys() == zeros.keys()

    def test_a_misspelt_key_is_not_taken_for_another(self):
        net = small()
        with pytest.raises(ValueError, match=r"below 'params_emma', found 'params'"):
            net.fit_weights({"params": net.state_dict()}, "params_emma")

    @pytest.mark.parametrize("part", ["encoder", "sr_decoder", "lr_decoder"])
    def test_a_part_is_taken_from_a_whole_network_or_from_a_file_of_its_own(self, part):
        net = small()
        alone = net.get_submodule(part).state_dict()
        for content in ({"params": net.state_dict()}, {"params": alone}, alone):
            assert net.fit_weights(content, "params", part).keys() == {f"{part}.{key}" for key in alone}

    def test_a_network_without_g_t_is_a_fair_start(self):
        net = small()
        weights = {key: value for key, value in net.state_dict().items() if not key.startswith("lr_decoder")}
        assert net.fit_weights({"params": weights}).keys() == weights.keys()

    @pytest.mark.parametrize(
        ("other", "said"),
        [
            ({"num_feat": 16}, "other shape: encoder.conv_first.weight"),
            ({"num_block": 4, "num_block_encoder": 3}, "unexpected: encoder.body.2"),
            ({"num_block": 2, "num_block_encoder": 1}, "missing: encoder.body.1"),
        ],
    )
    def test_weights_of_another_network_are_refused_naming_keys(self, other, said):
        with pytest.raises(ValueError, match=said):
            small().fit_weights({"params": small(**other).state_dict()})

    def test_a_file_without_weights_says_what_it_holds(self):
        with pytest.raises(ValueError, match=r"found only 'iter', 'optimizers'"):
            small().fit_weights({"iter": 3, "optimizers": []})
