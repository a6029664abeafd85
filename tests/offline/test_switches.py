"""The switches are set before the libraries read them, the profile's among them; each case in a process of its own."""

from __future__ import annotations

import subprocess
import sys

import pytest

CLUSTER = "cluster interface=lo peers=10.1.0.0/24"
SEAL = "import os; from nerkd_local import offline; offline.seal()\n"
SHOW = "print(*(os.environ.get(name) for name in ('GLOO_SOCKET_IFNAME', 'NCCL_SOCKET_IFNAME', 'VLLM_HOST_IP')))\n"


def python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    given = {"PATH": "/usr/bin:/bin", "PYTHONPATH": ":".join(filter(None, sys.path)), **environment}
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=given)


def said(code: str, **environment: str) -> str:
    done = python(code, **environment)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_hub_library_is_off_after_the_seal() -> None:
    code = (
        "from nerkd_local import offline\nassert not offline.is_sealed()\noffline.seal()\nassert offline.is_sealed()\n"
    )
    code += "from huggingface_hub import constants\nprint(constants.HF_HUB_OFFLINE, constants.HF_HUB_DISABLE_TELEMETRY)"
    assert said(code) == "True True"


def test_a_seal_that_comes_too_late_is_a_bug_that_says_so() -> None:
    done = python("import huggingface_hub.constants\nfrom nerkd_local import offline\noffline.seal()")
    assert done.returncode == 1
    assert "must come before the import of huggingface_hub" in done.stderr


@pytest.mark.parametrize(
    ("network", "shown"), [("", "lo =lo 127.0.0.1"), ("local", "lo =lo 127.0.0.1"), (CLUSTER, "lo =lo 127.0.0.1")]
)
def test_the_profile_decides_the_interface_whatever_the_user_had_set(network: str, shown: str) -> None:
    users = {"GLOO_SOCKET_IFNAME": "eth0", "NCCL_SOCKET_IFNAME": "^lo", "NCCL_IB_HCA": "mlx5_0"}
    show = SHOW + "print(os.environ['NCCL_IB_HCA'])"
    assert said(SEAL + show, NERKD_NETWORK=network, **users).split("\n") == [shown, "mlx5_0"]


def test_a_named_interface_is_taken_whole() -> None:
    """NCCL would take eth1 for eth1.100 too."""
    code = "import os; from nerkd_local.offline import switches\nfrom nerkd_local.offline.profile import *\n"
    code += "profile = read_profile('cluster interface=eth1 peers=10.1.0.1', interfaces=lambda: ['eth1'])\n"
    code += "print(*switches._of_profile(profile).values(), sep='|')"
    assert said(code) == "cluster interface=eth1 peers=10.1.0.1|eth1|=eth1|attempts:0"


@pytest.mark.parametrize(
    ("network", "shown"),
    [("local", "attempts:0"), (CLUSTER, "attempts:0"), ("cluster interface=lo peers=node7=10.1.0.7", "None")],
)
def test_no_resolver_is_asked_unless_peers_have_names(network: str, shown: str) -> None:
    """Where none is, native code would wait for an answer to each question: who is 10.1.0.2?"""
    show = "import socket; print(os.environ.get('RES_OPTIONS'), socket.gethostbyname('localhost'))"
    assert said(SEAL + show, NERKD_NETWORK=network) == f"{shown} 127.0.0.1"


def test_what_is_started_has_the_profile_without_asking_again() -> None:
    child = "import subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[1]])"
    code = f"import sys; sys.argv[1:] = ['import os; print(os.environ[\"NERKD_NETWORK\"])']\n{SEAL}{child}"
    assert said(code, NERKD_NETWORK="cluster  interface=lo peers=localhost") in (
        "cluster interface=lo peers=localhost=127.0.0.1",
        "cluster interface=lo peers=localhost=127.0.0.1,localhost=::1",
    )


def test_a_profile_that_is_given_goes_before_the_environments() -> None:
    code = f"import os; from nerkd_local import offline; offline.seal({CLUSTER!r})\nprint(offline.network())"
    assert said(code, NERKD_NETWORK="local") == CLUSTER


def test_a_process_keeps_the_profile_that_it_was_sealed_with() -> None:
    assert said(f"{SEAL}offline.seal(); print(offline.network())") == "local"
    done = python(f"{SEAL}offline.seal({CLUSTER!r})")
    assert done.returncode == 1
    assert f"this process is sealed as local, and stays so; not as {CLUSTER}" in done.stderr


@pytest.mark.parametrize("change", ["os.environ['HF_HUB_OFFLINE'] = '0'", "del os.environ['NO_PROXY']"])
def test_a_switch_that_somebody_took_back_shows(change: str) -> None:
    assert said(f"{SEAL}{change}\nprint(offline.is_sealed())") == "False"


def test_switches_without_the_guard_are_no_seal() -> None:
    code = "import os; from nerkd_local import offline; print(offline.is_sealed())"
    start = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {code!r}])"
    assert said(f"{SEAL}print(offline.is_sealed(), flush=True)\n{start}") == "True\nFalse"


def test_the_users_environment_is_there_for_the_one_program_that_needs_it() -> None:
    users = {"NO_PROXY": "intranet", "PIP_INDEX_URL": "https://pypi.example", "NERKD_NETWORK": CLUSTER}
    code = f"{SEAL}print({{name: os.environ[name] for name in ('NO_PROXY', 'PIP_NO_INDEX')}})\n"
    code += "kept = offline.users_environment()\n"
    code += f"print({{name: kept.get(name) for name in [*{list(users)}, 'PIP_NO_INDEX', 'HF_HUB_OFFLINE']}})"
    sealed, kept = said(code, **users).splitlines()
    assert sealed == "{'NO_PROXY': '*', 'PIP_NO_INDEX': '1'}"
    assert kept == str({**users, "PIP_NO_INDEX": None, "HF_HUB_OFFLINE": None})


def test_what_a_sealed_process_starts_knows_the_users_environment_too() -> None:
    show = "print(sorted(set(offline.users_environment()) & {'PIP_NO_INDEX', 'no_proxy', 'TIKTOKEN_CACHE_DIR'}))"
    start = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {SEAL + show!r}])"
    assert said(SEAL + start) == "[]"


def test_vocabularies_come_from_a_folder_and_a_users_own_stays() -> None:
    show = "print(os.environ['TIKTOKEN_CACHE_DIR'], os.environ['TIKTOKEN_ENCODINGS_BASE'])"
    default = f"{sys.prefix}/share/tiktoken"
    assert said(SEAL + show, TIKTOKEN_ENCODINGS_BASE="/models/vocabularies") == f"{default} /models/vocabularies"
    done = python(SEAL, TIKTOKEN_ENCODINGS_BASE="https://vocabularies.example/")
    assert "TIKTOKEN_ENCODINGS_BASE is the address 'https://vocabularies.example/'" in done.stderr.splitlines()[-1]
