"""A least-squares GAN of two layers, to be spoilt and varied by tests."""

from torch import Tensor, nn, optim

from benchmark.column import Column
from benchmark.methods.method import Batch, Draw, Method, MethodSettings


class SmallGan(Method):
    columns = {  # noqa: RUF012
        "loss_d": Column("(D(x) - 1)^2 + D(G(z))^2"),
        "loss_g": Column("(D(G(z)) - 1)^2", "", "lower"),
    }
    heldout, signal = ("loss_d", "loss_g"), "loss_g"

    def __init__(self, settings: MethodSettings, size: int) -> None:
        super().__init__()
        self.generator = self.make_generator(size)
        self.discriminator = self.make_discriminator(size)
        self.optimizers = self.make_optimizers()

    def make_generator(self, size: int) -> nn.Sequential:
        image = nn.Unflatten(1, (3, size, size))
        return nn.Sequential(nn.Linear(4, 3 * size**2), nn.Tanh(), image)

    def make_discriminator(self, size: int) -> nn.Module:
        return nn.Sequential(nn.Flatten(), nn.Linear(3 * size**2, 1))

    def make_optimizers(self) -> dict[str, optim.Optimizer]:
        players = {"d": self.discriminator, "g": self.generator}
        return {name: optim.Adam(player.parameters()) for name, player in players.items()}

    def latent(self, count: int, draw: Draw, stream: str) -> Tensor:
        return draw.normal(stream, count, 4)

    def generate(self, z: Tensor) -> Tensor:
        return self.generator(z)

    def losses(self, x: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
        real, made = self.discriminator(x), self.discriminator(fake)
        return (real - 1).square().mean() + made.square().mean(), (made - 1).square().mean()

    def update(self, batch: Batch, draw: Draw) -> dict[str, Tensor]:
        fake = self.generate(self.latent(len(batch.images), draw, "z"))
        found = []
        for images, at, player in ((fake.detach(), 0, "d"), (fake, 1, "g")):
            self.zero_grad()
            found.append(self.losses(batch.images, images)[at])
            found[-1].backward()
            self.optimizers[player].step()
        return {name: value.detach() for name, value in zip(self.columns, found, strict=True)}

    def watch(self, batch: Batch, draw: Draw) -> dict[str, Tensor]:
        fake = self.generate(self.latent(len(batch.images), draw, "z_heldout"))
        return dict(zip(self.heldout, self.losses(batch.images, fake), strict=True))
