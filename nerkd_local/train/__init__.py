"""Trains a student on a plan: `settings` (what a run is), `data` (the plan's examples as windows), `loss`
(one number whatever the ranks and micro-batches), `loop` (the steps), `run` (a run folder from start to end),
`launch` (starts it through `accelerate launch`), `lifeline` (what ties the two). The plan decides every batch;
nothing here draws an example."""
