"""What `verbatim: true` costs and gives: sentences a second and invented mentions, from one run on one machine.

    python scripts/bench/verbatim.py --quick        # 300 sentences, one round
    python scripts/bench/verbatim.py                # 2,000 sentences, three rounds in turns

Each way of asking is a whole annotation into a fresh store, warm, every sentence asked: free; the format's constraint
always; a grammar for each sentence always; and that grammar only where a free answer does not fit it (the default).
Needs vLLM, a model folder and a corpus: the bench annotator and CoNLL-2003 dev where they are not named.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from contextlib import closing
from dataclasses import replace
from io import StringIO
from itertools import islice
from pathlib import Path

from rates import ratio, say, shown, table

from nerkd_local import offline, threads

offline.seal()
threads.wait_politely()

from workload import Bench, annotate_once  # noqa: E402

from nerkd_local.annotate.completer import Completer  # noqa: E402
from nerkd_local.annotate.engines.start import open_engine  # noqa: E402
from nerkd_local.annotate.export import export  # noqa: E402
from nerkd_local.annotate.job import AnnotationJob  # noqa: E402
from nerkd_local.annotate.run import Annotation  # noqa: E402
from nerkd_local.annotate.sentences import SentenceList  # noqa: E402
from nerkd_local.annotate.watch import Watch  # noqa: E402
from nerkd_local.corpus.readers import read_corpus  # noqa: E402
from nerkd_local.corpus.settings import CorpusSettings  # noqa: E402
from nerkd_local.machine import describe_cpu  # noqa: E402
from nerkd_local.store.answers import AnswerStore  # noqa: E402

SHARED = Path(__file__).parents[3] / "shared"


def count_mentions(bench: Bench, job: AnnotationJob, engine: Completer) -> dict[str, int]:
    """What became of the mentions of all answers, by state."""
    with tempfile.TemporaryDirectory(dir=bench.scratch) as folder, AnswerStore(Path(folder) / "a.sqlite") as store:
        sentences, run_id = SentenceList(bench.documents), store.open_run(job.identity())
        Annotation(sentences, job, engine, store, run_id, Watch(StringIO())).ask()
        ledger = export(sentences, job, store, run_id, Path(folder), {})
    return {state: count for state, count in ledger["mentions"].items() if count}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="300 sentences, one round")
    parser.add_argument("--model", type=Path, default=SHARED / "models" / "bench-annotator")
    parser.add_argument("--corpus", type=Path, default=SHARED / "data" / "conll2003" / "dev.conll")
    parser.add_argument("--sentences", type=int)
    parser.add_argument("--repeats", type=int, help="0: only count the mentions")
    parser.add_argument("--formats", nargs="+", default=["lines", "json"])
    parser.add_argument("--output", type=Path, help="write everything as JSON, too")
    arguments = parser.parse_args()
    count = arguments.sentences or (300 if arguments.quick else 2000)
    repeats = (1 if arguments.quick else 3) if arguments.repeats is None else arguments.repeats
    documents = list(islice(read_corpus(CorpusSettings(path=arguments.corpus)), count))
    results: dict[str, object] = {"machine": describe_cpu(), "sentences": len(documents), "repeats": repeats}
    say(f"# Verbatim by construction on {results['machine']}: {len(documents):,} sentences, {repeats} rounds in turns")
    with tempfile.TemporaryDirectory() as scratch:
        bench = Bench(arguments.model, arguments.corpus, documents[:200], documents, Path(scratch), repeats)
        with closing(open_engine(bench.settings("lines").engine)) as engine:
            for format in arguments.formats:
                ways = {
                    "free": bench.job(format, constrained=False),
                    "format always": bench.job(format, free_first=False),
                    "verbatim always": bench.job(format, free_first=False, verbatim=True),
                    "verbatim where needed": bench.job(format, verbatim=True),
                }
                warm = replace(bench, documents=documents[:64])
                for job in ways.values():
                    annotate_once(warm, job, engine, deduplicate=False)
                rates: dict[str, list[float]] = {name: [] for name in ways}
                again = {}
                for number in range(repeats):
                    turns = list(ways.items())
                    for name, job in turns if number % 2 == 0 else reversed(turns):
                        speed = annotate_once(bench, job, engine, deduplicate=False)
                        rates[name].append(speed["rate"])
                        again[name] = speed["asked_again"]
                say(f"\n## {format}\n")
                if repeats:
                    table(rates)
                    say("")
                    for name, times in again.items():
                        say(f"- {name}: {shown(ratio(rates, name, 'free'))} of the free rate; asked again {times}")
                # a free-first answer is the one that was given under the constraint at once
                counted = ("format always", "verbatim always")
                mentions = {name: count_mentions(bench, ways[name], engine) for name in counted}
                for name, states in mentions.items():
                    say(f"- mentions of {name}: {states}")
                results[format] = {"rates": rates, "asked_again": again, "mentions": mentions}
    if arguments.output:
        arguments.output.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
