# make run and make test are all that a newcomer needs; the rest is for those who stay.

PYTHON ?= python3
.DEFAULT_GOAL := help
.PHONY: help install run test lint bench catalog chaos psql verify clean

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1\t\2/p' Makefile

run: .venv/run ## install what is needed, start the embedded PostgreSQL unless told of another, serve
	@exec .venv/bin/python -m service serve

test: .venv/dev ## the whole test suite, on a PostgreSQL of its own (TEST_DATABASE_URL: on that server)
	.venv/bin/python -m pytest --numprocesses 2 --dist worksteal

lint: .venv/dev ## ruff, mypy, sqlfluff
	.venv/bin/python -m ruff check .
	.venv/bin/python -m ruff format --check .
	.venv/bin/python -m mypy
	.venv/bin/python -m sqlfluff lint --disable-progress-bar db

bench: .venv/run ## measure every figure next to its yardstick (needs wrk), about ten minutes
	.venv/bin/python -m bench

catalog: .venv/dev ## bring the catalogues of the admin pages up to date with what the pages say
	.venv/bin/pybabel --quiet extract --mapping-file pyproject.toml --omit-header --add-location file --sort-by-file \
		--output-file .messages.pot .
	.venv/bin/pybabel --quiet update --input-file .messages.pot --output-dir templates/locale \
		--no-fuzzy-matching --ignore-obsolete --ignore-pot-creation-date --width 100
	@rm .messages.pot

chaos: .venv/run ## sixteen kinds of faults under load, and an audit of every answer after each, five minutes
	.venv/bin/python -m chaos

psql: .venv/run ## psql on the database of the service
	@.venv/bin/python -m service psql

verify: .venv/run ## check the whole ledger
	@.venv/bin/python -m service verify

install: .venv/run ## only install

clean: ## remove what was installed; the data stays
	rm -rf .venv

.venv/run .venv/dev: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo 'Python 3.11 or later is needed: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)' >&2; exit 1; }
	@test -x .venv/bin/pip || $(PYTHON) -m venv .venv || { rm -rf .venv; \
		echo 'Python cannot make a virtual environment (on Debian: apt install python3-venv)' >&2; exit 1; }
	.venv/bin/python -m pip install --quiet --disable-pip-version-check \
		--constraint constraints.txt --editable '.[embedded$(if $(filter %dev,$@),$(comma)dev)]'
	@touch $@ .venv/run

comma := ,
