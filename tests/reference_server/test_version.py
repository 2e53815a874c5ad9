"""The version of the package: stated once, and told without reading the metadata of the installation."""

import importlib.metadata
import subprocess
import sys

import reference_server


def test_version_is_that_of_the_installed_package():
    assert reference_server.__version__ == importlib.metadata.version("ipc-conformance")


def test_client_knows_its_version_without_loading_the_modules_that_read_metadata():
    program = "import sys, reference_server.client.driver; print(*{'email', 'zipfile'} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
