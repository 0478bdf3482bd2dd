"""Requests over many kept connections at once, and who answered them."""

from __future__ import annotations

import random
import threading
from collections import Counter

from harness import http

CONNECTIONS = 40
"""Enough that every worker has some."""


def ask(port: int, host: str, count: int, share: float = 0.0, *, seed: int = 7) -> Counter[str]:
    """Send GET requests from threads, ``share`` of them over one connection; count the answers by instance."""
    draws = random.Random(seed)
    last = CONNECTIONS - 1
    chosen = Counter(0 if draws.random() < share else draws.randint(1, last) for _ in range(count))
    found: Counter[str] = Counter()
    lock = threading.Lock()

    def run(number: int) -> None:
        with http.Connection(port) as connection:
            for _ in range(chosen[number]):
                answer = connection.ask("/", host=host)
                with lock:
                    found[answer.backend or str(answer.status)] += 1

    threads = [threading.Thread(target=run, args=(n,)) for n in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found
