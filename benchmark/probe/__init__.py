"""What a finished run's generator has learnt beyond its metrics: `bench probe RUN`.

record.py      the result of a probe: probe.json
look.py        from a run's folder to its Probe
embedding.py   codes of given images, and the paths between them
judge_view.py  what one judge's features say about them
"""
