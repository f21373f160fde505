# `make` alone lists the targets.
VENV := .venv
PYTHON_SOURCES := DMRIPretrain DMRIPretrainLib Testing

.PHONY: help env demo pictures test lint FORCE

help:
	@echo "make demo                         predict a real scan and a simulated brain, fine-tune, compare"
	@echo "make demo SCAN=path/dwi.nii.gz    the same on your own scan (bval and bvec beside it)"
	@echo "make pictures                     draw results as 3D Slicer shows them, without a screen (SCAN=... as above)"
	@echo "make test                         check and test everything that needs no GPU"
	@echo "make lint                         ruff and mypy alone"
	@echo "make preview                      the Slicer module in a window, without Slicer (SHOT=window.png: a picture)"
	@echo "make clickthrough                 click through all of the module, with a picture of each stage (SCAN=... PICTURES=folder)"
	@echo "make env                          the developer's environment, in $(VENV)"
	@echo "make env TORCH=torch              the same with the PyTorch that pip prefers (CUDA on Linux)"

env: $(VENV)/.ready-dev
	@echo "environment: $(VENV) is ready"

demo: $(VENV)/.ready-run
	$(VENV)/bin/dmri-pretrain demo $(if $(SCAN),--scan "$(SCAN)")

pictures: $(VENV)/.ready-test
	$(VENV)/bin/python Testing/Benchmarks/scene_pictures.py $(if $(SCAN),--scan "$(SCAN)")

test: lint
	$(VENV)/bin/python -m pytest

lint: $(VENV)/.ready-test
	$(VENV)/bin/ruff check $(PYTHON_SOURCES)
	$(VENV)/bin/ruff format --check $(PYTHON_SOURCES)
	$(VENV)/bin/mypy

.PHONY: preview clickthrough
clickthrough: $(VENV)/.ready-test
	$(VENV)/bin/python -m Testing.module.clickthrough $(if $(SCAN),--scan "$(SCAN)") $(if $(PICTURES),--pictures "$(PICTURES)")

preview: $(VENV)/.ready-test
	$(VENV)/bin/python -m Testing.Host.preview $(MODULE) $(if $(LOAD),--load "$(LOAD)") $(if $(SHOT),--screenshot "$(SHOT)")

$(VENV)/.ready-%: pyproject.toml .ci/environment.sh
	@TORCH="$(TORCH)" PYTHON="$(PYTHON)" .ci/environment.sh $*

# Asking for another PyTorch is a reason to do it again.
ifneq ($(TORCH),)
$(VENV)/.ready-run $(VENV)/.ready-test $(VENV)/.ready-dev: FORCE
endif
