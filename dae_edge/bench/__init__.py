"""Latency, memory, energy and placement of bundles, measured so that the numbers can be trusted.

Each launch of a case is a process of its own (``child``), watched from outside (``watch``) and
judged by rules that are plain functions of what was recorded (``judging``).
"""
