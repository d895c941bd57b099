"""The harm that is done: each act takes the system and the dice, and says what it did."""

import random
import signal
import time
from collections.abc import Callable, Iterator

import psycopg
from redis import Redis
from redis.exceptions import RedisError

from tests.chaos.processes import command_line, cpu_ticks, descendants, offspring, send
from tests.chaos.system import System
from tests.stripe_sandbox.faults import ANSWERLESS

Act = Callable[[System, random.Random], str]

# Shorter than any client waits, so that nobody repeats what a stopped process still holds.
LONGEST_STOP = 3.0
LONGEST_DOWN = 3.0
_WAIT_FOR_WORK_SECONDS = 1.0

_IN_TRANSACTION = """
SELECT pid FROM pg_stat_activity
WHERE datname = current_database() AND xact_start IS NOT NULL AND pid <> pg_backend_pid()
"""


def kill_web_worker(system: System, dice: random.Random) -> str:
    """Kill one process that answers requests, while it does; gunicorn starts another."""
    return _kill_at_work(offspring(system.processes["web"].pid), dice, "a web process")


def kill_web(system: System, dice: random.Random) -> str:
    """Kill gunicorn with all that it started."""
    return _kill_service(system, dice, "web")


def kill_tasks(system: System, dice: random.Random) -> str:
    """Kill the processes in which the worker's tasks run, in the middle of one."""
    found = offspring(system.processes["worker"].pid)
    busy = _at_work(found)
    system.kill_senders(lambda: [send(pid, signal.SIGKILL) for pid in found])
    return f"killed {len(found)} tasks' processes, {'at work' if busy else 'idle'}"


def kill_worker(system: System, dice: random.Random) -> str:
    """Kill the Celery worker with all that it started, in the middle of a task."""
    busy = _at_work(offspring(system.processes["worker"].pid))
    system.kill_senders(system.processes["worker"].kill)
    return f"{_left_down(system, dice, 'worker')}, {'at work' if busy else 'idle'}"


def kill_beat(system: System, dice: random.Random) -> str:
    """Kill beat."""
    return _kill_service(system, dice, "beat")


def kill_backend(system: System, dice: random.Random) -> str:
    """Kill a session of PostgreSQL within a transaction; all others end, and it recovers."""
    found, where = _sessions_at_work(system)
    return _kill_one(found, dice, f"a session of PostgreSQL {where}, which recovers")


def end_sessions(system: System, dice: random.Random) -> str:
    """End some sessions of PostgreSQL as an administrator does; the others go on."""
    found, where = _sessions_at_work(system)
    ended = dice.sample(found, min(len(found), dice.randint(1, 3)))
    count = sum(send(pid, signal.SIGTERM) for pid in ended)
    return f"ended {count} sessions of PostgreSQL {where}"


def kill_postgres(system: System, dice: random.Random) -> str:
    """Kill PostgreSQL itself; it recovers when it is started again."""
    return _kill_server(system, dice, "postgres")


def kill_redis(system: System, dice: random.Random) -> str:
    """Kill Redis, with all that was enqueued."""
    return _kill_server(system, dice, "redis")


def flush_redis(system: System, dice: random.Random) -> str:
    """Empty Redis: queues, unacknowledged tasks, limits and hints are gone."""
    try:
        _redis(system).flushall()
    except RedisError as error:
        return f"found Redis gone already ({type(error).__name__})"
    return "emptied Redis"


def restart_sandbox(system: System, dice: random.Random) -> str:
    """Start the Stripe sandbox again; it keeps what it knew, and fails as before."""
    if not system.processes["sandbox"].is_alive:
        return "found the sandbox down already"
    system.processes["sandbox"].finish(30)
    time.sleep(dice.uniform(0, 1))
    system.processes["sandbox"].start()
    fail(system, dice.randrange(10**6))
    return "started the Stripe sandbox again"


def stop_and_continue(system: System, dice: random.Random) -> str:
    """Stop a process and let it go on after a while, as a machine that is out of breath does."""
    stoppable = {
        "a web process": offspring(system.processes["web"].pid),
        "the worker": [system.processes["worker"].pid],
        "a process of the worker": offspring(system.processes["worker"].pid),
        "beat": [system.processes["beat"].pid],
        "a session of PostgreSQL": _backends(system),
        "Redis": [system.servers["redis"].pid],
        "the sandbox": [system.processes["sandbox"].pid],
    }
    name = dice.choice(sorted(stoppable))
    seconds = dice.uniform(0.2, LONGEST_STOP)
    if not stoppable[name]:
        return f"found no {name}"
    pid = dice.choice(stoppable[name])
    if send(pid, signal.SIGSTOP):
        system.stopped[pid] = time.monotonic() + seconds
    return f"stopped {name} ({pid}) for {seconds:.1f} s"


# Each with how often it is chosen, relative to the others.
ACTS: dict[Act, int] = {
    kill_web_worker: 4,
    kill_web: 1,
    kill_tasks: 4,
    kill_worker: 2,
    kill_beat: 1,
    kill_backend: 2,
    end_sessions: 2,
    kill_postgres: 2,
    kill_redis: 1,
    flush_redis: 2,
    restart_sandbox: 1,
    stop_and_continue: 4,
}


def acts(seed: int) -> Iterator[tuple[Act, random.Random]]:
    """Yield the acts of a seed, each with dice of its own: what is there to be hit changes none."""
    dice = random.Random(seed)
    while True:
        act = dice.choices(list(ACTS), weights=list(ACTS.values()))[0]
        yield act, random.Random(dice.random())


def pause(system: System, dice: random.Random) -> float:
    """Return the seconds until the next act: more on a machine on which starting takes longer.

    What is killed before it has started loses nothing.
    """
    return dice.uniform(0.1, 1.2) * min(max(3.0, system.start_seconds / 2), 8.0)


def fail(system: System, seed: int) -> None:
    """Let Stripe fail in a share of all calls, and lose, double and mix webhooks."""
    control = system.stripe.control
    kinds = [kind.value for kind in ANSWERLESS]
    control("switches", {"timeout_seconds": 0.5, "error_report_seconds": 60})
    control("faults", {"rate": 0.2, "seed": seed, "kinds": kinds, "in_a_row": 3})
    control("faults", {"webhook_rate": 0.3, "seed": seed, "shuffle": True})


def _kill_one(found: list[int], dice: random.Random, what: str) -> str:
    if not found:
        return f"found no {what}"
    pid = dice.choice(found)
    send(pid, signal.SIGKILL)
    return f"killed {what} ({pid})"


def _kill_at_work(found: list[int], dice: random.Random, what: str) -> str:
    busy = _at_work(found)
    if busy is None:
        return f"{_kill_one(found, dice, what)}, idle"
    return f"{_kill_one([busy], dice, what)}, at work"


def _kill_service(system: System, dice: random.Random, name: str) -> str:
    system.processes[name].kill()
    return _left_down(system, dice, name)


def _kill_server(system: System, dice: random.Random, name: str) -> str:
    system.servers[name].kill()
    return _left_down(system, dice, name)


def _left_down(system: System, dice: random.Random, name: str) -> str:
    seconds = dice.uniform(0, LONGEST_DOWN)
    system.down[name] = time.monotonic() + seconds
    return f"killed {name}, down for {seconds:.1f} s"


def _sessions_at_work(system: System) -> tuple[list[int], str]:
    """Return the sessions within a transaction, or all where there is none for a while."""
    deadline = time.monotonic() + _WAIT_FOR_WORK_SECONDS
    try:
        with psycopg.connect(system.env["DATABASE_URL"], autocommit=True) as connection:
            while time.monotonic() < deadline:
                if found := connection.execute(_IN_TRANSACTION).fetchall():
                    return [pid for (pid,) in found], "in a transaction"
    except psycopg.OperationalError:
        pass
    return _backends(system), "without a transaction"


def _backends(system: System) -> list[int]:
    """Return the sessions of the product, not PostgreSQL's own helpers."""
    server = system.servers["postgres"]
    return [pid for pid in descendants(server.pid) if ": bencher bencher" in command_line(pid)]


def _at_work(found: list[int]) -> int | None:
    """Return the first of some processes that is seen to work; None after a while without."""
    before = {pid: cpu_ticks(pid) for pid in found}
    deadline = time.monotonic() + _WAIT_FOR_WORK_SECONDS
    while time.monotonic() < deadline:
        for pid, ticks in before.items():
            if cpu_ticks(pid) > ticks:
                return pid
        time.sleep(0.002)
    return None


def _redis(system: System) -> Redis:
    return Redis.from_url(system.env["REDIS_URL"], socket_timeout=1)
