"""Settings for every test: Hypothesis profiles, and a home that is nobody's."""

from __future__ import annotations

import gc
import os
import signal

import pytest
from hypothesis import HealthCheck, settings

from peergos_collab.crypto import PasswordParameters, stretch
from peergos_collab.identity import key_store

if os.environ.get("LATE_TESTS"):
    from support.late_loop import pytest_asyncio_loop_factories  # noqa: F401 a hook, found by its name

# A shell that runs the tests in the background hands down an ignored Ctrl+C, and the programs that tests
# end with it would not hear it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# No deadline: the machines are shared, and a slow moment is no fault of the code. No database: a run must
# not depend on what an earlier one left behind; a failure prints the blob that reproduces it instead.
# By default the examples are always the same, so that a run says something about the change it is run for;
# the other profiles look at others each time.
_COMMON = settings(
    deadline=None, database=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("ci", _COMMON, derandomize=True, max_examples=100)
settings.register_profile("dev", _COMMON, derandomize=False, max_examples=50)
settings.register_profile("long", _COMMON, derandomize=False, max_examples=5_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


def pytest_collection_finish() -> None:
    """What was loaded to collect the tests stays: looking through it at each turn was a twentieth of all."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True, scope="session")
def _nobodys_home(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A test that forgets --home must not touch the home of whoever runs it."""
    for name in [name for name in os.environ if name.startswith("PGC_")]:
        del os.environ[name]
    os.environ["PGC_HOME"] = str(tmp_path_factory.mktemp("nobody") / "home")
    os.environ["PGC_NO_LAN"] = "1"  # what other programs on this machine announce is no part of a test


@pytest.fixture
def quick_passphrases(monkeypatch: pytest.MonkeyPatch) -> None:
    """Passphrases of homes made in this process cost a thousandth to stretch; files still say the real cost.

    What stretching costs and gives is for the tests of it; each use would take most of a second.
    """
    quick = PasswordParameters(passes=1, memory=1 << 18)
    monkeypatch.setattr(key_store, "stretch", lambda words, salt, _: stretch(words, salt, quick))
