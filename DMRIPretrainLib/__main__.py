"""``python -m DMRIPretrainLib`` is the command ``dmri-pretrain``."""

from .cli import main

if __name__ == "__main__":
    main()
