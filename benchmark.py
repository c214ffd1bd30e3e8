"""python benchmark.py --models all: train every architecture and write the leaderboard. See --help."""

from fer_bench.cli import main

if __name__ == "__main__":
    main()
