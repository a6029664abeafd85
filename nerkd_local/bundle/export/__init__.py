"""Results out of a closed network: a run's scores, report and students as a signed bundle.

run         run folder -> bundle: `nerkd bundle export`
students    whose weights go out
treatment   what is said of sentences where their text stays: no ids, no examples in settings
texts       files with sentences: as they are, or as hashes
provenance  digests of what went in, for machines
readme      what is in it, how its text was treated, what it still tells
leaks       the last look before it is signed: no sentence, no place of this machine
"""
