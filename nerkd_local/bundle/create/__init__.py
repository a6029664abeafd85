"""A bundle's making, on the connected side: from a spec to a signed folder, the same one each time.

spec        what is to go in (YAML)
run         spec -> bundle: `nerkd bundle create`
created     the time that it says it was created at
lockfile    a lock's pins
wheels      which wheels the target takes, and what one says of itself
building    pip, and wheels that are built here, twice
checkout    the toolkit's checkout: what git knows of it
wheelhouse  the lock's wheels for the target, and the toolkit's own
contents    everything by its path on the closed side
sbom        CycloneDX: packages with licences, models, data
vectors     what the self-test on the closed side must compute
beside      the tool and START-HERE.txt
volumes     contents by their hash, the manifest, its signature: the folder itself; `export` writes by it too
"""
