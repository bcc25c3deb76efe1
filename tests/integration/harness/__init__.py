"""The harness of the integration tests: real servers, real clients, one idea a module.

See ../README.md for a tour. Nothing here knows a test.
"""
