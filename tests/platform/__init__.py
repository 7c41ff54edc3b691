"""The platform: settings, health, checks, scripts."""
