"""Servers of other packages, made to offer the responder of spec chapter 13.

Each module here is a program that is started by its path in an environment that holds the other package and not this
kit, so it imports nothing of the kit.
"""
