"""Which images of each part take part: by attribute, by proportion, by person."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from benchmark.data.faces.factors import hashed
from benchmark.data.settings import CelebASettings, FacesSettings, Mix, Split
from benchmark.errors import InputError
from benchmark.seeds import derive

Parts = Mapping[Split, NDArray[np.int64]]


def drawn_by_name(names: Sequence[str]) -> dict[Split, NDArray[np.int64]]:
    """80 % training, 10 % validation, 10 % test, each by a hash of its name alone."""
    tenth = np.array([derive(0, f"part/{name}") % 10 for name in names])
    return {
        "train": np.flatnonzero(tenth < 8),
        "validation": np.flatnonzero(tenth == 8),
        "test": np.flatnonzero(tenth == 9),
    }


def in_an_earlier_part(parts: Parts, firsts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Images of which an earlier part has a copy; `firsts` names one image of each content."""
    seen, found = np.array([], dtype=np.int64), []
    for at in parts.values():
        contents = firsts[at]
        found.append(at[np.isin(contents, seen)])
        seen = np.concatenate([seen, contents])
    return np.sort(np.concatenate(found))


def chosen(
    parts: Parts,
    settings: FacesSettings | CelebASettings,
    has: Callable[[str], NDArray[np.bool_]],
    title: str,
    people: NDArray[np.int64] | None = None,
) -> dict[Split, NDArray[np.int64]]:
    """What `only`, `mix` and, with `people`, who is in each image, `disjoint` leave of each part.

    `has` says which images have an attribute. Raises InputError where nothing is left of a part.
    """
    kept = dict(parts)
    for words in settings.only:
        name, wanted = (words[4:], False) if words.startswith("not ") else (words, True)
        mask = has(name) == wanted
        kept = {part: at[mask[at]] for part, at in kept.items()}
    if people is not None:
        known = people[kept["train"]]
        for part in ("validation", "test"):
            kept[part] = kept[part][~np.isin(people[kept[part]], known)]
    if settings.mix is not None:
        kept["train"] = mixed(kept["train"], settings.mix, has(settings.mix.attribute))
    chooses = settings.only or settings.mix is not None or people is not None
    for part, at in kept.items():
        if chooses and len(at) == 0:
            raise InputError(
                f"data: no {part} images of {title} are left; loosen data.only, data.mix or "
                "data.disjoint"
            )
    return kept


def mixed(train: NDArray[np.int64], mix: Mix, having: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Training images, as many as possible, of which `mix.share` have the attribute.

    Who is left out is decided by a hash of the image's index, in the same order for every share:
    the fewer images of one kind are kept for one share are among those kept for another.
    """
    order = train[np.argsort(hashed(train, "mix"), kind="stable")]
    some, others = order[having[order]], order[~having[order]]
    share = mix.share
    if share < 1:
        some = some[: round(len(others) * share / (1 - share))]
    if share > 0:
        others = others[: round(len(some) * (1 - share) / share)]
    return np.sort(np.concatenate([some, others]))
