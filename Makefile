# Start with make run or make test. make help lists the rest.

PYTHON ?= python3
.DEFAULT_GOAL := help
.PHONY: help run test lint format psql verify bench chaos catalog install clean

help: ## list these commands
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1\t\2/p' Makefile

run: .venv/run ## install, start the embedded PostgreSQL (or use DATABASE_URL) and serve
	@exec .venv/bin/python -m service serve

test: .venv/dev ## run the tests on a temporary PostgreSQL, or on TEST_DATABASE_URL; ARGS="tests/api -k key" selects some
	.venv/bin/python -m pytest --numprocesses 3 --dist worksteal $(ARGS)

lint: .venv/dev ## check with ruff, mypy and sqlfluff
	.venv/bin/python -m ruff check .
	.venv/bin/python -m ruff format --check .
	.venv/bin/python -m mypy
	.venv/bin/python -m sqlfluff lint --disable-progress-bar db

format: .venv/dev ## format the Python code and sort its imports
	.venv/bin/python -m ruff check --fix .
	.venv/bin/python -m ruff format .

bench: .venv/run ## run the benchmark (needs wrk; about ten minutes)
	.venv/bin/python -m bench

catalog: .venv/dev ## update the translations of the admin page from its templates
	.venv/bin/pybabel --quiet extract --mapping-file pyproject.toml --omit-header --add-location file --sort-by-file \
		--output-file .messages.pot .
	.venv/bin/pybabel --quiet update --input-file .messages.pot --output-dir templates/locale \
		--no-fuzzy-matching --ignore-obsolete --ignore-pot-creation-date --width 100
	@rm .messages.pot

chaos: .venv/run ## inject every fault under load and audit the ledger after each (about five minutes)
	.venv/bin/python -m chaos

psql: .venv/run ## open psql on the database of the service
	@.venv/bin/python -m service psql

verify: .venv/run ## verify the whole ledger
	@.venv/bin/python -m service verify

install: .venv/run ## install only

clean: ## remove .venv; keep the data
	rm -rf .venv

.venv/run .venv/dev: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo 'Python 3.11 or later is needed: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)' >&2; exit 1; }
	@test -x .venv/bin/pip || $(PYTHON) -m venv .venv || { rm -rf .venv; \
		echo 'Python cannot create a virtual environment (on Debian: apt install python3-venv)' >&2; exit 1; }
	.venv/bin/python -m pip install --quiet --disable-pip-version-check \
		--constraint constraints.txt --editable '.[embedded$(if $(filter %dev,$@),$(comma)dev)]'
	@touch $@ .venv/run

comma := ,
