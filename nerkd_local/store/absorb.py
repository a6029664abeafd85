"""The answers of one store into another: nothing lost, nothing twice."""

from __future__ import annotations

from nerkd_local.store.answers import AnswerStore


def absorb(store: AnswerStore, other: AnswerStore) -> int:
    """Add what another store holds, run by run, and what each run is about; returns how many answers were read.

    An answer that the store has stays as it is, and brings no log-probabilities of the other's. Raises InputError for
    a damaged row of the other, named by its sentence.
    """
    count = 0
    for number, settings in other.runs().items():
        run_id = store.open_run(settings)
        work = other.work(number)
        if work is not None and store.work(run_id) is None:
            store.set_work(run_id, work)
        for answer in other.answers(number):
            value = other.logprobs(number, answer) if answer.copy_of is None else None
            store.add(run_id, answer, logprobs={answer.sentence_no: value} if value is not None else {})
            count += 1
    store.commit()
    return count
