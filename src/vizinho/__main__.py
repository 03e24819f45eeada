"""`python -m vizinho`, which is what `torchrun -m vizinho` starts in every process."""

from vizinho.cli.main import main

if __name__ == "__main__":
    main()
