"""The wire specification's chapters and requirement list, as package data.

Installed as ``ipc_spec``; read it with ``importlib.resources.files("ipc_spec")``.
"""
