"""The micro rows on gevent: micro.py ROW --workers N (one thread, whatever is asked for).

Most do a tenth of the operations of the others. Exit 2 and no output for a row that there is not.
"""

import random
import sys
import time

import gevent
from gevent.event import Event
from gevent.lock import Semaphore
from gevent.pool import Pool
from gevent.queue import Queue
from report import Memory, Meter, overshoot, show

SPAWNS, YIELDS, LOCKS = 20_000, 200_000, 2_000_000
LOCKERS, LOCK_ROUNDS, HOLD_ROUNDS = 1000, 50, 10
MESSAGES, CAPACITY, HANDOFFS = 200_000, 1024, 30_000
SLEEPERS, JOBS, POOL = 100_000, 100_000, 100


def spawn_seq():
    for _ in range(SPAWNS):
        gevent.spawn(int).join()
    return SPAWNS


def spawn_batches(rounds, size):
    for _ in range(rounds):
        gevent.joinall([gevent.spawn(int) for _ in range(size)])
    return rounds * size


def yields(count):
    each = max(5, YIELDS // count)

    def body():
        for _ in range(each):
            gevent.sleep(0)

    gevent.joinall([gevent.spawn(body) for _ in range(count)])
    return count * each


def mutex():
    lock = Semaphore()
    for _ in range(LOCKS):
        lock.acquire()
        lock.release()
    return LOCKS


def mutex_1k(rounds, holds):
    lock, value = Semaphore(), 0

    def body():
        nonlocal value
        for _ in range(rounds):
            with lock:
                value += 1
                if holds:
                    gevent.sleep(0)
            if not holds:
                gevent.sleep(0)

    gevent.joinall([gevent.spawn(body) for _ in range(LOCKERS)])
    assert value == LOCKERS * rounds
    return value


def mpsc(senders):
    queue = Queue(CAPACITY)

    def send():
        for n in range(MESSAGES // senders):
            queue.put(n)

    def receive():
        for _ in range(MESSAGES):
            queue.get()

    gevent.joinall([gevent.spawn(send) for _ in range(senders)] + [gevent.spawn(receive)])
    return MESSAGES


def pingpong():
    there, back = Queue(1), Queue(1)

    def returns():
        for _ in range(HANDOFFS):
            back.put(there.get())

    def serves():
        for n in range(HANDOFFS):
            there.put(n)
            assert back.get() == n

    gevent.joinall([gevent.spawn(returns), gevent.spawn(serves)])
    return HANDOFFS


def pool_map():
    doubled = Pool(POOL).map(lambda n: 2 * n, range(JOBS))
    assert doubled == [2 * n for n in range(JOBS)]
    return JOBS


def sleepers(name):
    generator, late = random.Random(42), []

    def body(seconds):
        start = time.monotonic()
        gevent.sleep(seconds)
        late.append(time.monotonic() - start - seconds)

    times = [generator.randint(1, 1000) / 1000 for _ in range(SLEEPERS)]
    meter = Meter()
    gevent.joinall([gevent.spawn(body, it) for it in times])
    return meter.report(name, SLEEPERS) | overshoot(late)


def park(name, count):
    before, gate, waiting = Memory(), Event(), 0

    def body():
        nonlocal waiting
        waiting += 1
        gate.wait()

    meter = Meter()
    parked = [gevent.spawn(body) for _ in range(count)]
    while waiting < count:
        gevent.sleep(0)
    figures = meter.report(name, count) | before.growth(count)
    start = time.monotonic_ns()
    gate.set()
    gevent.joinall(parked)
    return figures | {"wake_join_ns_per_task": (time.monotonic_ns() - start) / count}


ROWS = {
    "spawn_seq": spawn_seq,
    "spawn_1k": lambda: spawn_batches(30, 1000),
    "spawn_join_100k": lambda: spawn_batches(1, 100_000),
    "yield_2": lambda: yields(2),
    "yield_1k": lambda: yields(1000),
    "yield_100k": lambda: yields(100_000),
    "mutex": mutex,
    "mutex_1k": lambda: mutex_1k(LOCK_ROUNDS, False),
    "mutex_1k_hold": lambda: mutex_1k(HOLD_ROUNDS, True),
    "mpsc_1_1": lambda: mpsc(1),
    "mpsc_4_1": lambda: mpsc(4),
    "pingpong": pingpong,
    "pool_map": pool_map,
    "spawn@10": lambda: spawn_batches(2_000, 10),
    "spawn@1000": lambda: spawn_batches(20, 1000),
    "spawn@100000": lambda: spawn_batches(1, 100_000),
}
OTHERS = {
    "sleep_100k": sleepers,
    "park_10k": lambda name: park(name, 10_000),
    "park_100k": lambda name: park(name, 100_000),
}


def run(name):
    if name in OTHERS:
        return OTHERS[name](name)
    if name not in ROWS:
        sys.exit(2)
    meter = Meter()
    return meter.report(name, ROWS[name]())


if __name__ == "__main__":
    show(run(sys.argv[1]))
