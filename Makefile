# Two targets matter: `make demo` and `make test`. Both set up what is missing and repeat nothing that is done.
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed

DEMO := study=three_arm data.n_train=300 data.val_fraction=0.5 data.label_noise=0.1 train.epochs=60

CLAIMS := results/claims
QUICK := claims/averaging,claims/overfitting

.PHONY: demo test test-slow bench claims claims-again claims-quick docs docs-serve wheel clean
.DEFAULT_GOAL := demo

demo: $(INSTALLED)
	$(BIN)/dropbench sweep $(DEMO)

test: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile

# The long ones: statistics of the random bits, whole experiments on real data (DROPBENCH_DATA). Minutes, not seconds.
test-slow: $(INSTALLED)
	$(BIN)/python -m pytest -m slow

# Every claim about dropout, with its verdict: 4,700 runs of two hours in all, two at a time, and programs of one hour. What is
# trained or computed already is not done again. DROPBENCH_DATA names the data that some of them take; claims-quick is 27 claims
# of two studies that take none.
claims: $(INSTALLED)
	$(BIN)/dropbench sweep 'study=glob(claims/*)' results=$(CLAIMS)
	$(BIN)/dropbench report $(CLAIMS) --claims --wide --format markdown --out $(CLAIMS)/claims.md
	$(BIN)/dropbench report $(CLAIMS) --claims --format csv --out $(CLAIMS)/claims.csv

# The same under seeds that no study has used, as many as each study has.
claims-again: $(INSTALLED)
	for file in conf/study/claims/*.yaml; do \
	  n=$$(sed -n 's/^seed: range(0, *\([0-9]*\)).*/\1/p' $$file); \
	  $(BIN)/dropbench sweep study=claims/$$(basename $$file .yaml) "seed=range(100,$$((100 + $${n:-40})))" results=$(CLAIMS)-again || exit 1; \
	done

claims-quick: $(INSTALLED)
	$(BIN)/dropbench sweep 'study=$(QUICK)' results=$(CLAIMS)

# Beside plain PyTorch, joblib, Lightning, Hydra, skorch, JAX, torch.func and tabm, an hour of a machine that does nothing else,
# then the cost of each variant, 5 minutes. DROPBENCH_DATA names the data; make bench BENCH='--only digits-20' measures one part.
bench: .venv/.bench
	$(BIN)/python -m benchmarks $(BENCH)
	$(if $(BENCH),,$(BIN)/python benchmarks/variants.py)

.venv/.bench: $(INSTALLED)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[bench]'
	@touch $@

# The documentation site, into build/site; docs-serve shows it at http://127.0.0.1:8000 while you write.
docs: .venv/.docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet --strict

docs-serve: .venv/.docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs serve --watch dropbench --watch conf

.venv/.docs: $(INSTALLED)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[docs]'
	@touch $@

# Builds the wheel, installs it where there is no checkout beside it, and uses it from /.
wheel: $(INSTALLED)
	rm -rf dist && $(BIN)/python -m build --quiet --wheel --no-isolation
	set -e; elsewhere=$$(mktemp -d); trap 'rm -rf "$$elsewhere"' EXIT; \
	$(PYTHON) -m venv "$$elsewhere/venv"; \
	"$$elsewhere/venv/bin/python" -m pip install --quiet --constraint constraints.txt dist/*.whl; \
	cd /; \
	"$$elsewhere/venv/bin/dropbench" sweep study=three_arm --dry-run results="$$elsewhere/results"; \
	"$$elsewhere/venv/bin/dropbench" train train.epochs=1 data.n_train=100 results="$$elsewhere/results"

$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo 'dropbench needs Python 3.11 or newer: make PYTHON=python3.11 $(MAKECMDGOALS)'; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[test]'
	@touch $@

clean:
	rm -rf .venv dist build .pytest_cache .mypy_cache .ruff_cache
