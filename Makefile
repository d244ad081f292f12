# The commands of the book. `make help` lists them.
PYTHON ?= python3
PORT ?= 8000
PY := .venv/bin/python
CHAPTERS ?=
NAME ?=
BENCH ?=
RACE ?=
LAB ?=
CHECK ?=

.DEFAULT_GOAL := help
.PHONY: help setup book pdf serve test verify bench race notebooks handout new lint lab clean

help: ## this list
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)$$/make \1\t\2/' | expand -t 18

setup: ## make .venv and install everything into it (the other targets do it by themselves)
	@$(PYTHON) scripts/setup_env.py

book: setup ## run every chapter and render the site, warnings as errors
	@$(PY) scripts/build_book.py

pdf: ## the whole book as one PDF, _build/gdcourse.pdf, which the site then offers, too
	@$(PYTHON) scripts/setup_env.py --browser
	@$(PY) scripts/build_book.py --if-stale
	@$(PY) scripts/pdf.py

serve: setup ## show the rendered site on http://localhost:8000 (another port: make serve PORT=8080)
	@$(PY) scripts/build_book.py --if-stale
	@$(PY) scripts/serve.py $(PORT)

# A process for each core: threads of NumPy's would wait for each other's.
test: ## all tests, and every notebook compared with its stored outputs
	@$(PYTHON) scripts/setup_env.py --browser
	@$(PY) scripts/build_book.py --if-stale
	@OMP_NUM_THREADS=1 $(PY) -m pytest --nbval --nbval-cell-timeout=120 -n $$($(PY) scripts/cores.py) --dist loadfile tests book

verify: ## the slower checks: every page, slow tests, seeds, mutants, other processor paths and versions (some alone: make verify CHECK="seeds")
	@$(PYTHON) scripts/setup_env.py --browser --lab
	@$(PY) scripts/verify.py $(CHECK)

bench: setup ## how fast it is beside torch.optim and optax (a quarter of an hour; other options: make bench BENCH="--quick")
	@$(PY) scripts/bench.py $(BENCH)

race: setup ## run the race of the chapter "The race" again and store it (forty minutes on two cores, as it was stored)
	@$(PY) scripts/race.py $(RACE)

notebooks: setup ## make and run the notebooks from book/src (some alone: make notebooks CHAPTERS="adam radam")
	@$(PY) scripts/notebooks.py $(CHAPTERS)

handout: setup ## notebooks for a class, without solutions and with everything (some alone: make handout CHAPTERS="adam radam")
	@$(PY) scripts/handout.py $(CHAPTERS)

new: setup ## begin an optimizer: its rule, its line in the table, its chapter (make new NAME=Lynx)
	@$(PY) scripts/new.py "$(NAME)"

lint: setup ## ruff and mypy
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(PY) -m mypy

lab: ## open the list of notebooks in JupyterLab (as root or over ssh: make lab LAB="--allow-root --no-browser")
	@$(PYTHON) scripts/setup_env.py --lab
	@.venv-lab/bin/python -m jupyter lab --notebook-dir=book $(LAB) book/intro.ipynb

clean: ## remove what was built, and the caches; the environments stay
	@rm -f _build/built-from.txt
	@rm -rf _build build dist .pytest_cache .ruff_cache .mypy_cache .hypothesis
	@find . -name __pycache__ -not -path './.venv*' -type d -prune -exec rm -rf {} +
