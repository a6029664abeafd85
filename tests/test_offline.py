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


def test_the_interfaces_that_a_seal_chose_are_told_from_the_users() -> None:
    user = "import os; os.environ['NCCL_SOCKET_IFNAME'] = 'lo'\n"  # the user's own, though the same as the seal's
    sealed = "from nerkd_local import offline; offline.seal()\n"
    show = "print(*(f'{name}={value}' for name, value in sorted(ENV.items()) if 'IFNAME' in name))\n"
    both = sealed + show.replace("ENV", "os.environ") + show.replace("ENV", "offline.without_loopback(os.environ)")
    expected = ["GLOO_SOCKET_IFNAME=lo NCCL_SOCKET_IFNAME=lo", "NCCL_SOCKET_IFNAME=lo"]
    assert python(user + both).stdout.splitlines() == expected
    # and so in a process that a sealed one starts, which seals itself
    start = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {'import os; ' + both!r}])\n"
    assert python(user + sealed + start).stdout.splitlines() == expected


def test_an_interface_chosen_after_the_seal_is_the_users() -> None:
    code = "import os; from nerkd_local import offline; offline.seal(); os.environ['GLOO_SOCKET_IFNAME'] = 'ib0'\n"
    code += "print({name for name in offline.without_loopback(os.environ) if 'IFNAME' in name})"
    assert python(code).stdout.strip() == "{'GLOO_SOCKET_IFNAME'}"


def test_several_machines_keep_their_own_interfaces() -> None:
    show = "import os; from nerkd_local import offline; offline.seal(); print(os.environ.get('GLOO_SOCKET_IFNAME'))"
    cluster = "import os; os.environ.update(WORLD_SIZE='8', LOCAL_WORLD_SIZE='4')\n"
    assert python(show).stdout.strip() == "lo"
    assert python(cluster + show).stdout.strip() == "None"
