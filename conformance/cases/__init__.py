"""The suite: cases of servers, cases of clients, and the catalogue of both."""
