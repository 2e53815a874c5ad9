"""Adapters for the PyPI package ipc-framework: its server with the responder of spec chapter 13, and a client driver.

Each module is a program. It starts by its path in an environment with that package and without this kit, so it imports
nothing of the kit.
"""
