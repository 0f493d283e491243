"""The meaning of the tables' terms: explained once, at the head of the report."""

from benchmark.evaluation.metrics import METRICS
from benchmark.report.numbers import INCOMPLETE, title
from benchmark.report.tables import DRAWS, MIDDLE, SEEDS


def _metrics() -> str:
    return "; ".join(
        f"**{title(name)}**{f' ({each.better} is better)' * bool(each.better)}: {each.meaning}"
        for name, each in METRICS.items()
    )


GLOSSARY = f"""\
- **{SEEDS}**: sample standard deviation over training seeds, which are the unit; "±" is this one.
- **{DRAWS}**: over repeated evaluations of the same last weights, pooled over runs: how far one
  number can be trusted, and nothing of another training run.
- **{MIDDLE}**: the mean of the middle half of the seeds (Agarwal et al. 2021), which a single
  outlier does not move, with its 95 % interval from five seeds on.
- **last**: the last row of each finished run. **best by validation**: the test value where the
  distance to *validation* images is least; never the best test value.
- **runs**: done of planned. **failed**: ended early, with the reason below the table.
- **collapsed**: at the last evaluation the samples' mean pairwise feature distance is a small share
  of the real images' own. A collapsed run that finished is in the means.
- **{INCOMPLETE}**: fewer finished runs than planned; the mean is over the finished ones alone,
  which may flatter the cell.
- **own signal**: what the method's paper watches (M_global for BEGAN), a mean over training
  batches. Its scale depends on the method and its settings: compare it within a cell alone.
- **real against real**: as many training images in the generator's place, what a perfect generator
  would get. **blurred against real**: the same images without their finest details.
- **images from outside**: somebody's own, judged as samples are (`bench evaluate --images`).
- **core-minutes**: processor time of all runs of the cell together, failed ones too.
- A Fréchet distance is called FID only on the 2015 Inception features; any other is named after its
  features, and is no FID.
- Metrics: {_metrics()}."""
