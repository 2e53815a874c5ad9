"""Adapters for the PyPI package ipc-framework: its server with the responder of spec chapter 13, and a client driver.

Each module is a program that imports nothing of the kit: an example of how to adapt another implementation.
"""
