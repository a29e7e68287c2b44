"""Requests: each dialect read into a neutral prompt and written from one."""
