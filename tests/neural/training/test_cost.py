from neural.data.augment import Augment
from neural.models.encoders import SmallConvConfig
from neural.models.heads import LinearConfig
from neural.training.cost import count_step_flops
from neural.training.pretraining import PretrainConfig
from neural.training.schedules import AdamConfig, Alternating


def test_flops_of_a_step_by_hand():
    """Counts of multiply-adds, each two operations; a backward pass costs one more for each input and weight."""
    config = PretrainConfig(
        encoder=SmallConvConfig(2), head=LinearConfig(4), augment=Augment(size=16), batch=8
    )
    # 16 views: 3-2-4-8 channels, 3 x 3 kernels, maps of 8 x 8, 4 x 4 and 2 x 2; no gradient of the images.
    layers = [27 * 2 * 64, 18 * 4 * 16, 36 * 8 * 4]
    head, loss = 8 * 4, 16 * 4  # the loss multiplies every view of length 4 with 16 others
    backward = layers[0] + 2 * (layers[1] + layers[2] + head + loss)
    per_pair = 2 * 2 * (sum(layers) + head + loss + backward)
    assert count_step_flops(config) == per_pair
    adam = AdamConfig()
    three = Alternating(inner_steps=3, head_optimizer=adam, optimizer=adam, restart=False)
    alternating = count_step_flops(PretrainConfig(**vars(config) | {"schedule": three}))
    # Inner steps: loss forwards and backwards, head forwards and its weights; then the encoder's without the latter.
    inner = 3 * 2 * 2 * (3 * loss + 2 * head)
    assert alternating == per_pair + inner - 2 * 2 * head
