"""The registered losses against closed forms and against BasicSR's own."""

import pytest
import torch
from basicsr.losses.basic_loss import PerceptualLoss
from basicsr.losses.gan_loss import GANLoss
from torchvision.models import vgg19

from usrda_plugin.losses import (
    USRDAAlignLoss,
    USRDAPerceptualLoss,
    USRDARelativisticLoss,
    find_vgg_weights,
    load_vgg,
)
from usrda_plugin.method import Relativistic
from usrda_plugin.models.criteria import build_phases

LAYERS = {"conv1_2": 0.1, "conv2_2": 1.0}


@pytest.mark.parametrize("c", [-1.0, 0.5, 2.0])
def test_alignment_pulls_both_domains_to_the_undecided_answer(c):
    loss = USRDAAlignLoss(loss_weight=3.0)
    answers = torch.full((2, 1, 4, 4), c)
    assert loss(answers, True).item() == loss(answers, False).item() == pytest.approx(3 * (c - 0.5) ** 2)
    assert loss(answers, True, is_disc=True).item() == pytest.approx((c - 1) ** 2)
    assert loss(answers, False, is_disc=True).item() == pytest.approx(c**2)


def test_alignment_by_cross_entropy_is_least_at_zero_logits():
    loss = USRDAAlignLoss("vanilla")
    values = [loss(torch.full((1,), logit), True).item() for logit in (-1.0, 0.0, 1.0)]
    assert values[1] == pytest.approx(0.6931472)
    assert values[0] == pytest.approx(values[2])
    assert values[1] < values[0]


def test_an_unknown_alignment_is_refused():
    with pytest.raises(ValueError, match="hinge"):
        USRDAAlignLoss("hinge")


def test_in_a_pair_only_the_difference_counts():
    loss = USRDARelativisticLoss(loss_weight=3.0)
    winner, loser = torch.tensor([2.0, -1.0]), torch.tensor([0.5, 1.0])
    expected = torch.log1p(torch.exp(loser - winner)).mean()
    torch.testing.assert_close(loss(winner, loser, is_disc=True), expected)
    torch.testing.assert_close(loss(winner + 7, loser + 7), 3 * expected)
    assert loss(torch.tensor(50.0), torch.tensor(0.0)) < 1e-20
    torch.testing.assert_close(loss(torch.tensor(0.0), torch.tensor(500.0)), torch.tensor(1500.0))


def test_answers_of_half_precision_are_compared_in_full():
    found = USRDARelativisticLoss()(torch.tensor([1.0]).bfloat16(), torch.tensor([1.0]).bfloat16())
    assert found.dtype == torch.float32
    assert found.item() == pytest.approx(0.6931472)


def test_basicsrs_criteria_have_labels_and_ours_of_pairs_has_none():
    assert isinstance(USRDARelativisticLoss(), Relativistic)
    assert not isinstance(GANLoss("lsgan"), Relativistic)
    assert not isinstance(USRDAAlignLoss(), Relativistic)


def test_a_negative_penalty_is_refused():
    with pytest.raises(ValueError, match="-1"):
        USRDARelativisticLoss(r2_weight=-1)


@pytest.fixture(scope="module")
def vgg_file(tmp_path_factory):
    """Convolutions of a VGG with random weights: the file that a user has, without what it has learnt."""
    torch.manual_seed(0)
    features = {f"features.{key}": value.half() for key, value in vgg19().features[:9].state_dict().items()}
    with torch.device("meta"):
        rest = vgg19().features.state_dict()
    for key, value in rest.items():
        features.setdefault(f"features.{key}", torch.zeros(value.shape, dtype=torch.half))
    file = tmp_path_factory.mktemp("vgg") / "vgg19_features.pth"
    torch.save(features, file)
    return file


def test_features_only_weights_are_loaded_whatever_their_precision(vgg_file):
    network = load_vgg("vgg19", vgg_file)
    saved = torch.load(vgg_file, weights_only=True)
    assert network.features[0].weight.dtype == torch.float32
    assert torch.equal(network.features[7].weight, saved["features.7.weight"].float())


def test_the_perceptual_distance_is_basicsrs(vgg_file, monkeypatch):
    monkeypatch.setenv("USRDA_VGG_WEIGHTS", str(vgg_file))
    image, target = torch.rand(1, 3, 16, 16), torch.rand(1, 3, 16, 16)
    expected, _ = PerceptualLoss(LAYERS, perceptual_weight=0.3)(image, target)
    ours = USRDAPerceptualLoss(LAYERS, perceptual_weight=0.3)
    torch.testing.assert_close(ours.distance(image, ours.features(target)), expected)
    torch.testing.assert_close(ours(image, target)[0], expected)


def test_target_features_carry_no_gradient_and_the_images_do(vgg_file):
    loss = USRDAPerceptualLoss(LAYERS, vgg_path=str(vgg_file))
    image = torch.rand(1, 3, 16, 16, requires_grad=True)
    features = loss.features(torch.rand(1, 3, 16, 16, requires_grad=True))
    assert not any(value.requires_grad for value in features.values())
    loss.distance(image, features).backward()
    assert image.grad.abs().max() > 0


def test_a_given_file_is_preferred_and_the_environment_comes_next(vgg_file, monkeypatch, tmp_path):
    monkeypatch.setenv("USRDA_VGG_WEIGHTS", str(vgg_file))
    other = tmp_path / "other.pth"
    other.touch()
    assert find_vgg_weights("vgg19", str(other)) == other
    assert find_vgg_weights("vgg19") == vgg_file


def test_missing_weights_name_the_places_and_the_remedy(monkeypatch, tmp_path):
    monkeypatch.delenv("USRDA_VGG_WEIGHTS", raising=False)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"(?s)pretrained_models/vgg19_features\.pth.*USRDA_VGG_WEIGHTS"):
        find_vgg_weights("vgg19")
    with pytest.raises(FileNotFoundError, match=r"nowhere\.pth"):
        USRDAPerceptualLoss(LAYERS, vgg_path="nowhere.pth")


def test_weights_of_another_network_are_refused(tmp_path):
    file = tmp_path / "other.pth"
    torch.save({"features.0.weight": torch.zeros(2, 2)}, file)
    with pytest.raises(ValueError, match=r"other\.pth.*vgg19"):
        load_vgg("vgg19", file)


def test_a_style_weight_that_no_term_would_read_is_refused(vgg_file):
    perceptual = {
        "type": "USRDAPerceptualLoss",
        "layer_weights": LAYERS,
        "style_weight": 2.0,
        "vgg_path": str(vgg_file),
    }
    with pytest.raises(ValueError, match="style_weight: USR-DA has no style part"):
        build_phases({"rec_opt": {"loss_weight": 1}, "perceptual_opt": perceptual}, torch.device("cpu"))


def test_parts_of_no_term_are_not_built():
    no_vgg = {"type": "USRDAPerceptualLoss", "layer_weights": LAYERS, "vgg_path": "nowhere.pth"}
    phases = build_phases({"res_opt": {"type": "L1Loss"}, "perceptual_opt": no_vgg}, torch.device("cpu"))
    assert phases.everything.terms == ("res",)
