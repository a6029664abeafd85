"""Everything `nerkd demo` needs that a fresh machine has not got: a made-up news world to write sentences from."""
