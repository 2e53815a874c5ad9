"""The server cases, one module a chapter; each case is a plain function of a scene and knows no test runner."""
