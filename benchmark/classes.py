"""The runs that generate images with an attribute and without it: two, or one that takes labels.

Of two, `data.only` selects the attribute in one and its absence in the other.
"""

from collections.abc import Sequence

from benchmark.methods import attributes
from benchmark.spec import RunSpec


def generators(spec: RunSpec, attribute: str) -> tuple[RunSpec, ...]:
    """The runs that show both classes, of which `spec` is one: that on images with the attribute
    and that on those without, or one whose method has it for a label; none if it shows neither.
    """
    words = (attribute, f"not {attribute}")
    only: Sequence[str] = getattr(spec.data, "only", ())
    if sum(word in words for word in only) != 1:
        return (spec,) if attribute in attributes(spec.method) else ()

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
