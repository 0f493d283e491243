"""Two runs, one generator per class: `data.only` selects an attribute in one, its absence in the
other."""

from collections.abc import Sequence

from benchmark.spec import RunSpec


def with_and_without(spec: RunSpec, attribute: str) -> tuple[RunSpec, RunSpec] | None:
    """The run on images with the attribute and the one on those without.

    One of them is `spec` itself; None where its data are chosen by neither.
    """
    words = (attribute, f"not {attribute}")
    only: Sequence[str] = getattr(spec.data, "only", ())
    if sum(word in words for word in only) != 1:
        return None

    def of(word: str) -> RunSpec:
        chosen = tuple(word if each in words else each for each in only)
        data = spec.data.model_copy(update={"only": chosen})
        return spec.model_copy(update={"data": data})

    return of(words[0]), of(words[1])


def of_both(spec: RunSpec, attribute: str) -> RunSpec:
    """The same on images of both classes, which a classifier learns to distinguish."""
    words = (attribute, f"not {attribute}")
    only = tuple(word for word in getattr(spec.data, "only", ()) if word not in words)
    data = spec.data.model_copy(update={"only": only})
    return spec.model_copy(update={"data": data})
