# make demo: see it work.  make test: lint, types and all tests but the long ones.  make test-fast: the tests without torch and ROS, a minute.
# make test-long: what make test leaves out.  make test-oldest: the robot's part on the oldest libraries.  make bench: measure.  make docs: the site, in site/.
# Each makes its own environment.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help demo test test-fast test-long test-oldest lint system installed bench docs clean

TEST_VENV := .venv
FAST_VENV := .venv-fast
DEMO_VENV := .venv-demo
OLDEST_VENV := .venv-oldest
DOCS_VENV := .venv-docs
OUT ?= demo_out

# The environments are complete in themselves: what a sourced ROS or another environment left in the shell
# (library paths, PYTHONPATH, the marker of the ROS wheels' start-up) must not leak into them.
unexport LD_LIBRARY_PATH PYTHONPATH PYTHONHOME VIRTUAL_ENV _ROS_WHEELS_BOOTSTRAP_COMPLETE
unexport ROS_DISTRO FASTDDS_DEFAULT_PROFILES_FILE FASTRTPS_DEFAULT_PROFILES_FILE
# Without bytecode on disk, each of the many processes of the tests would compile torch anew: a threefold time to import it.
unexport PYTHONDONTWRITEBYTECODE
export RMW_IMPLEMENTATION := rmw_fastrtps_cpp
export PYTHON

help:
	@sed -n 1,3p Makefile

$(DEMO_VENV)/.ready: setup.py tools/make_venv.sh
	tools/make_venv.sh $(DEMO_VENV) ros,demo,view
	touch $@

$(TEST_VENV)/.ready: setup.py tools/make_venv.sh
	tools/make_venv.sh $(TEST_VENV) ros,interfaces,demo,view,train,sim,media,adapt,lite-test,test
	touch $@

$(FAST_VENV)/.ready: setup.py tools/make_venv.sh
	tools/make_venv.sh $(FAST_VENV) test-fast
	touch $@

$(OLDEST_VENV)/.ready: setup.py tools/make_venv.sh tools/requirements.py
	tools/make_venv.sh $(OLDEST_VENV) ros,demo,test oldest
	touch $@

$(DOCS_VENV)/.ready: setup.py tools/make_venv.sh
	tools/make_venv.sh $(DOCS_VENV) docs
	touch $@

demo: $(DEMO_VENV)/.ready
	tools/install.sh $(DEMO_VENV)
	AMENT_PREFIX_PATH="$(CURDIR)/$(DEMO_VENV)" $(DEMO_VENV)/bin/selcon demo --out "$(OUT)"
	@echo "live in the browser: $(DEMO_VENV)/bin/selcon view selcon_ros/assets/demo"

lint: $(TEST_VENV)/.ready
	$(TEST_VENV)/bin/ruff check .
	$(TEST_VENV)/bin/ruff format --check .
	$(TEST_VENV)/bin/mypy
	PYTHONPATH=training $(TEST_VENV)/bin/lint-imports

# Waits for the network and the disk, as the environment does: test lets both be made at a time.
system:
	tools/system_packages.sh

# The package and its messages, in the environment of the tests.
installed: $(TEST_VENV)/.ready
	tools/install.sh $(TEST_VENV)
	$(TEST_VENV)/bin/python tools/build_interfaces.py --if-possible selcon_interfaces test/ros/bond_messages

# Tests run side by side, a file in one process; more than one thread in each would only wait for the others. How many
# processes (four at most) and in which order the files, test/conftest.py says: pytest-xdist would take one for each core,
# begin with files of many tests and end with those that take long.
test:
	+$(MAKE) --no-print-directory -j2 --output-sync=line $(TEST_VENV)/.ready system
	+$(MAKE) --no-print-directory -j2 --output-sync=target lint installed
	AMENT_PREFIX_PATH="$(CURDIR)/$(TEST_VENV)" MUJOCO_GL=$${MUJOCO_GL:-osmesa} PATH="$(CURDIR)/$(TEST_VENV)/bin:$$PATH" \
		OMP_NUM_THREADS=1 $(TEST_VENV)/bin/python -m pytest -n logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder

# What `make test` leaves out because it takes long: two hosts in full, the soak test, builds and measurements at full size.
test-long: $(TEST_VENV)/.ready
	tools/install.sh $(TEST_VENV)
	AMENT_PREFIX_PATH="$(CURDIR)/$(TEST_VENV)" MUJOCO_GL=$${MUJOCO_GL:-osmesa} PATH="$(CURDIR)/$(TEST_VENV)/bin:$$PATH" \
		OMP_NUM_THREADS=1 $(TEST_VENV)/bin/python -m pytest --long -m long

# What needs neither torch nor ROS. Other tests in these folders are skipped.
test-fast: $(FAST_VENV)/.ready
	OMP_NUM_THREADS=1 $(FAST_VENV)/bin/python -m pytest -n logical --maxprocesses 4 --dist loadfile \
		test/core test/backends test/engines test/bench test/cli test/demo test/view test/package test/launch test/tools test/test_*.py

# What a robot runs, on the lowest versions that setup.py admits. Training has its own, which take torch. ROS has one
# version: of its tests, those of arrays and pictures, and of a whole node.
OLDEST_ROS := $(patsubst %,test/ros/test_%.py,bit_depth bridge compressed conversions depth depth_sync golden_node \
	ground_service grounding_node image_reader markers planner_outputs process results several_actions)
test-oldest: $(OLDEST_VENV)/.ready
	tools/install.sh $(OLDEST_VENV)
	AMENT_PREFIX_PATH="$(CURDIR)/$(OLDEST_VENV)" PATH="$(CURDIR)/$(OLDEST_VENV)/bin:$$PATH" \
		OMP_NUM_THREADS=1 $(OLDEST_VENV)/bin/python -m pytest -n logical --maxprocesses 4 --dist loadfile --hypothesis-profile few \
		test/core test/backends test/engines test/cli $(OLDEST_ROS) test/bags test/demo test/golden test/test_api.py test/test_imports.py test/test_model.py

bench: $(TEST_VENV)/.ready
	tools/install.sh $(TEST_VENV)
	AMENT_PREFIX_PATH="$(CURDIR)/$(TEST_VENV)" $(TEST_VENV)/bin/selcon bench --out docs/benchmarks.md

# Not with -q, which would hide the warnings from strict mode, too. Material tells at every build of what will come after
# MkDocs 1, for which setup.py has bounds.
docs: $(DOCS_VENV)/.ready
	NO_MKDOCS_2_WARNING=1 $(DOCS_VENV)/bin/mkdocs build

clean:
	rm -rf $(TEST_VENV) $(FAST_VENV) $(DEMO_VENV) $(OLDEST_VENV) $(DOCS_VENV) site build install log demo_out .mypy_cache .pytest_cache .ruff_cache .hypothesis
	rm -rf selcon_ros.egg-info .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
