"""Options that several tests begin with."""

SIX_TERMS = {
    "gan_opt": {"type": "GANLoss", "gan_type": "lsgan", "loss_weight": 0.01},
    "align_opt": {"type": "USRDAAlignLoss", "loss_weight": 0.01},
    "rec_opt": {"loss_weight": 1},
    "res_opt": {"type": "L1Loss", "loss_weight": 1},
    "sty_opt": {"type": "GANLoss", "gan_type": "lsgan", "loss_weight": 0.01},
    "idt_opt": {"type": "L1Loss", "loss_weight": 0.01},
    "cyc_opt": {"loss_weight": 1},
}
