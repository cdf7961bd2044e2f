"""The fault bench: the real daemon, real cameras and a real broker, broken on a seeded schedule, then audited."""
