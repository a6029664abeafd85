"""The switches are set before the libraries read them."""

import subprocess
import sys


def python(code: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": "/usr/bin:/bin"}
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment)


def test_the_hub_library_is_off_after_the_seal() -> None:
    done = python(
        "from nerkd_local import offline\nassert not offline.is_sealed()\noffline.seal()\nassert offline.is_sealed()\n"
        "from huggingface_hub import constants\nprint(constants.HF_HUB_OFFLINE, constants.HF_HUB_DISABLE_TELEMETRY)"
    )
    assert done.stdout.split() == ["True", "True"], done.stderr


def test_a_seal_that_comes_too_late_is_a_bug_that_says_so() -> None:
    done = python("import huggingface_hub.constants\nfrom nerkd_local import offline\noffline.seal()")
    assert done.returncode == 1
    assert "must come before the import of huggingface_hub" in done.stderr


def test_several_machines_keep_their_own_interfaces() -> None:
    show = "import os; from nerkd_local import offline; offline.seal(); print(os.environ.get('GLOO_SOCKET_IFNAME'))"
    cluster = "import os; os.environ.update(WORLD_SIZE='8', LOCAL_WORLD_SIZE='4')\n"
    assert python(show).stdout.strip() == "lo"
    assert python(cluster + show).stdout.strip() == "None"
