import sys

if not sys.flags.safe_path:
    # The working folder last: a random.py or click.py in it replaces no library.
    sys.path.append(sys.path.pop(0))

from benchmark.cli import main

main()
