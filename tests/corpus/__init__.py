"""Tests of nerkd_local.corpus."""
