"""Made-up evaluations with a known truth: counts of two systems on the same documents, over training seeds.

For checking tests of differences: how often they call two sets of runs of one regimen different, and how often they
find a difference that was planted.

The model. An evaluation set has documents; each holds gold entities, and traps: stretches that a system may take for
an entity. Whether system a, trained with seed s, is right about candidate e of document d (finds the entity with its
borders and type, or leaves the trap alone) is decided by a threshold on a latent normal variable,

    right if  document_d + entity_e + regimen_ad + seed_as + seed_document_asd + rest_ase < z(F1_a),

whose terms are independent with variances that sum to 1. So the chance of being right is F1_a over documents and seeds.
A wrong gold entity is missed with chance `missed` and mislabelled otherwise, and there are `missed` traps for each
entity: then as many entities are invented as are missed, and the expected F1 is the chance of being right.
- `document` and `entity` are what is hard for everybody: they make two systems right about the same entities.
- `regimen` is what one regimen does differently in a document whatever the seed: two regimens of equal F1 still differ
  in where they are right. Two sets of runs of one regimen have it in common (`same_regimen`).
- `seed` is the luck of a seed in all documents, `seed_document` its luck in one. With `paired` above 0, both systems'
  runs with one seed share that part of the variance of `seed`.
The entities of a document follow Poisson's law with a gamma mean (at least one), which gives a few long tables.

Where the constants come from: students of a 6-layer encoder on 100 and 250 human-labelled and 2,000 distilled
sentences, five seeds, 24 regimens, scored on CoNLL-2003 dev (216 documents, 5,942 entities). `scripts/studies/
differences.py` prints the same figures of simulated and of real runs side by side. Normal luck is assumed of seeds:
real ones now and then have a student that failed, which this does not have.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

Counts = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Population:
    """What evaluations are drawn from. `f1` is that of the weaker system.

    `seed_sd` is the standard deviation of F1 between seeds, beyond what chance in single answers gives; the other
    spreads are shares of the latent variance (see the module).
    """

    f1: float = 0.76
    entities_per_document: float = 27.5
    size_variation: float = 1.0
    """Variance of the documents' expected sizes, over the squared mean: 1 is an exponential law."""
    missed: float = 0.4
    document: float = 0.25
    entity: float = 0.61
    regimen: float = 0.004
    seed_document: float = 0.004
    seed_sd: float = 0.008
    seed_ratio: float = 1.0
    """How many times the first system's `seed_sd` is the second's; `seed_sd` is their geometric mean."""
    paired: float = 0.0

    def __post_init__(self) -> None:
        if not 0 < self.f1 < 1 or not 0 <= self.missed <= 1 or not 0 <= self.paired <= 1:
            raise ValueError(f"f1 {self.f1}, missed {self.missed}, paired {self.paired}: shares between 0 and 1")
        if min(self.entities_per_document, self.seed_ratio) <= 0 or min(self.size_variation, self.seed_sd) < 0:
            raise ValueError(
                "entities a document and seed_ratio must be positive, size_variation and seed_sd not negative"
            )
        shares = (self.document, self.entity, self.regimen, self.seed_document)
        if min(*shares, self.rest(0), self.rest(1)) < 0:
            raise ValueError(f"shares of the latent variance of {shares}, and the seeds', leave less than nothing")

    def seed(self, system: int) -> float:
        """The latent variance of a seed's luck, of system 0 or 1: its deviation over the slope of F1, squared."""
        normal = NormalDist()
        spread = self.seed_sd * math.sqrt(self.seed_ratio) ** (1 - 2 * system)
        return (spread / normal.pdf(normal.inv_cdf(self.f1))) ** 2

    def rest(self, system: int) -> float:
        """The latent variance of one answer of system 0 or 1."""
        return 1.0 - self.document - self.entity - self.regimen - self.seed_document - self.seed(system)


def draw_evaluation(
    population: Population,
    *,
    documents: int,
    seeds: int,
    difference: float = 0.0,
    same_regimen: bool = False,
    generator: np.random.Generator,
) -> tuple[Counts, Counts]:
    """Counts of two systems on the same new documents, the first better in expected F1 by `difference`.

    Shape: (seeds, documents, 3) each: correct, predicted and gold entities; a row is a document. `same_regimen`: the
    two differ in nothing but the luck of their seeds. Raises ValueError for a difference that leads out of (0, 1), for
    one between runs of the same regimen, and for no documents or seeds.
    """
    if documents < 1 or seeds < 1:
        raise ValueError(f"{documents} documents and {seeds} seeds; at least 1 of each is needed")
    if not 0 < population.f1 + difference < 1 or (same_regimen and difference != 0):
        raise ValueError(f"a difference of {difference} to F1 {population.f1} is not possible here")
    expected = np.full(documents, population.entities_per_document)
    if population.size_variation > 0:
        expected = generator.gamma(1 / population.size_variation, expected * population.size_variation)
    gold = np.maximum(generator.poisson(expected), 1)
    traps = generator.binomial(gold, population.missed)
    sizes = gold + traps
    document = np.repeat(np.arange(documents), sizes)
    is_gold = np.arange(len(document)) - np.repeat(np.cumsum(sizes) - sizes, sizes) < gold[document]
    is_missed = is_gold & (generator.random(len(document)) < population.missed)

    def luck(variance: float, *shape: int) -> npt.NDArray[np.float64]:
        return generator.normal(0.0, math.sqrt(variance), shape)

    common = luck(population.document, documents)[document] + luck(population.entity, len(document))
    of_both = luck(1.0, seeds, 1)
    in_regimen = luck(population.regimen, 2, documents)
    if same_regimen:
        in_regimen[1] = in_regimen[0]
    tables = []
    for system, f1 in enumerate((population.f1 + difference, population.f1)):
        of_seed = math.sqrt(population.paired) * of_both + luck(1 - population.paired, seeds, 1)
        by_document = in_regimen[system] + luck(population.seed_document, seeds, documents)
        by_document += math.sqrt(population.seed(system)) * of_seed
        latent = common + by_document[:, document] + luck(population.rest(system), seeds, len(document))
        right = latent < NormalDist().inv_cdf(f1)
        correct = np.add.reduceat(right & is_gold, np.cumsum(sizes) - sizes, axis=1, dtype=np.int64)
        wrongly = np.add.reduceat(~right & ~is_missed, np.cumsum(sizes) - sizes, axis=1, dtype=np.int64)
        tables.append(np.stack([correct, correct + wrongly, np.broadcast_to(gold, correct.shape)], axis=-1))
    return tables[0], tables[1]
