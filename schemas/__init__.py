"""The JSON Schemas and golden vectors of the IPC Framework Wire Protocol, as package data.

Installed as ``ipc_schemas``; read it with ``importlib.resources.files("ipc_schemas")``.
"""
