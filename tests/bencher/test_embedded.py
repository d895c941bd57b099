"""`manage.py embedded` with real servers: what runs, for how long, and as whom."""

import fcntl
import json
import os
import pty
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path

import dj_database_url
import pytest

from bencher.embedded import places
from bencher.embedded.errors import EmbeddedError
from bencher.embedded.identity import Change, Identity

# One worker: each data directory costs a second and a server.
pytestmark = pytest.mark.xdist_group("embedded")

MANAGE = places.REPOSITORY / "manage.py"
STRANGER = 12345
# Says what it was given, then lives until its input is closed.
WAITING = ["sh", "-c", 'echo "$DATABASE_URL" && exec cat']


def python(script: str) -> list[str]:
    return [sys.executable, "-c", script]


def query(statement: str) -> list[str]:
    """A command that prints the first row of the statement as JSON."""
    return python(
        "import json, os, psycopg\n"
        "with psycopg.connect(os.environ['DATABASE_URL']) as connection:\n"
        f"    cursor = connection.execute({statement!r})\n"
        "    print(json.dumps(cursor.fetchone() if cursor.description else None))\n"
    )


def environment(data: Path, more: Mapping[str, str] | None = None) -> dict[str, str]:
    ours = ("DATABASE_URL", "REDIS_URL", "SECRET_KEY", "HTTPS")
    kept = {name: value for name, value in os.environ.items() if name not in ours}
    return {**kept, "BENCHER_DATA_DIR": str(data), **(more or {})}


def embedded(
    data: Path,
    command: Sequence[str],
    *options: str,
    through: Sequence[str] = (),
    user: int | None = None,
    more: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*through, sys.executable, str(MANAGE), "embedded", *options, "--", *command],
        env=environment(data, more),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        user=user,
        group=user,
        extra_groups=None if user is None else [],
        cwd=places.REPOSITORY,
    )


def answer(result: subprocess.CompletedProcess[str]) -> object:
    assert (result.returncode, result.stderr) == (0, "")
    return json.loads(result.stdout)


@contextmanager
def running(data: Path, command: Sequence[str]) -> Iterator[subprocess.Popen[str]]:
    """The command while it runs, from its first line of output on."""
    with subprocess.Popen(
        [sys.executable, str(MANAGE), "embedded", "--", *command],
        env=environment(data),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() != ""
            yield process
        finally:
            if process.poll() is None:
                process.kill()


@contextmanager
def in_terminal(
    data: Path, command: Sequence[str]
) -> Iterator[tuple[subprocess.Popen[bytes], FileIO]]:
    """The command in a terminal of its own, from its "ready" on; the terminal is ours to close."""
    outside, inside = pty.openpty()

    def open_terminal() -> None:
        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    with (
        FileIO(outside, "r+") as terminal,
        subprocess.Popen(
            [sys.executable, str(MANAGE), "embedded", "--", *command],
            env=environment(data),
            stdin=inside,
            stdout=inside,
            stderr=inside,
            preexec_fn=open_terminal,  # noqa: PLW1509 - the tests have one thread
        ) as process,
    ):
        os.close(inside)
        try:
            read_until(terminal, b"ready")
            yield process, terminal
        finally:
            process.kill()


def read_until(terminal: FileIO, text: bytes | None) -> bytes:
    """What the terminal shows up to the text, or to its end."""
    shown = b""
    with suppress(OSError):  # how a terminal ends
        while text is None or text not in shown:
            shown += terminal.read(1024)
    return shown


def finish(process: subprocess.Popen[str]) -> tuple[int, str]:
    _, errors = process.communicate(timeout=60)
    return process.returncode, errors


def processes() -> Iterator[tuple[int, Path, str]]:
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            if entry.name.isdigit():
                program = (entry / "exe").readlink().name
                yield int(entry.name), (entry / "cwd").readlink(), program


def servers(data: Path) -> set[int]:
    """Every process of ours whose working directory is in the data directory."""
    return {pid for pid, directory, _ in processes() if directory.is_relative_to(data)}


def is_alive(number: str) -> bool:
    """Whether there is such a process (a zombie is none: who adopts it may be slow)."""
    with suppress(OSError):
        state = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0]
        return state != "Z"
    return False


def postmaster(data: Path) -> int:
    return int((data / "postgres" / "postmaster.pid").read_text().split()[0])


def keeper(data: Path) -> int:
    words = Path(f"/proc/{postmaster(data)}/stat").read_text().rpartition(")")[2].split()
    return int(words[1])


def eventually(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 30
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


@pytest.fixture(scope="module", autouse=True)
def _heeded_signals() -> Iterator[None]:
    """Heed what is ignored in the background of a shell, or under nohup: children inherit that."""
    numbers = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT)
    ignored = [number for number in numbers if signal.getsignal(number) is signal.SIG_IGN]
    for number in ignored:
        signal.signal(number, signal.SIG_DFL)
    yield
    for number in ignored:
        signal.signal(number, signal.SIG_IGN)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory that most tests share, as most commands do."""
    return tmp_path_factory.mktemp("embedded")


class TestServices:
    def test_connects_the_command_as_an_ordinary_role(self, data: Path) -> None:
        result = embedded(
            data,
            query(
                "SELECT current_user::text, current_database()::text, rolsuper, rolcreatedb"
                " FROM pg_roles WHERE rolname = current_user"
            ),
        )

        assert answer(result) == ["bencher", "bencher", False, True]

    def test_compares_text_by_code_point_in_utf_8_and_counts_in_utc(self, data: Path) -> None:
        result = embedded(
            data,
            query(
                "SELECT datlocprovider::text, datlocale, pg_encoding_to_char(encoding)::text,"
                " current_setting('timezone') FROM pg_database WHERE datname = 'bencher'"
            ),
        )

        assert answer(result) == ["b", "C.UTF-8", "UTF8", "UTC"]

    def test_gives_a_redis_that_keeps_nothing(self, data: Path) -> None:
        script = (
            "import json, os, redis\n"
            "client = redis.Redis.from_url(os.environ['REDIS_URL'])\n"
            "settings = client.config_get('save') | client.config_get('appendonly')\n"
            "print(json.dumps([client.incr('key'), settings, client.config_get('port')]))\n"
        )

        answers = [answer(embedded(data, python(script))) for _ in range(2)]

        expected = [1, {"save": "", "appendonly": "no"}, {"port": "0"}]
        assert answers == [expected, expected]

    def test_listens_on_no_network_address(self, data: Path) -> None:
        assert answer(embedded(data, query("SHOW listen_addresses"))) == [""]

    def test_keeps_the_data_for_the_next_command(self, data: Path) -> None:
        answer(embedded(data, query("CREATE TABLE kept AS SELECT 42 AS number")))

        assert answer(embedded(data, query("SELECT number FROM kept"))) == [42]

    def test_lets_django_make_its_test_database(self, data: Path) -> None:
        script = (
            "import os, dj_database_url\n"
            "from django.conf import settings\n"
            "url = os.environ['DATABASE_URL']\n"
            "settings.configure(DATABASES={'default': dj_database_url.parse(url)})\n"
            "import django; django.setup()\n"
            "from django.db import connection\n"
            "name = connection.creation.create_test_db(verbosity=0, autoclobber=True)\n"
            "connection.creation.destroy_test_db('bencher', verbosity=0)\n"
            "print('\"' + name + '\"')\n"
        )

        assert answer(embedded(data, python(script))) == "test_bencher"

    def test_needs_no_environment(self, data: Path) -> None:
        script = (
            "import json, os\nprint(json.dumps([os.environ['SECRET_KEY'], os.environ['HTTPS']]))\n"
        )

        first, second = (answer(embedded(data, python(script))) for _ in range(2))

        assert first == second
        assert isinstance(first, list)
        assert len(first[0]) >= 50
        assert first[1] == "false"
        assert stat.S_IMODE((data / "secret_key").stat().st_mode) == 0o600

    def test_prefers_the_callers_environment(self, data: Path) -> None:
        command = ["sh", "-c", "echo $SECRET_KEY $HTTPS"]

        result = embedded(data, command, more={"SECRET_KEY": "mine", "HTTPS": "true"})

        assert result.stdout == "mine true\n"

    def test_is_not_led_astray_by_variables_of_libpq(self, data: Path) -> None:
        result = embedded(data, query("SELECT 1"), more={"PGHOSTADDR": "192.0.2.1", "PGPORT": "1"})

        assert answer(result) == [1]

    def test_is_closed_to_other_users(self, data: Path) -> None:
        with running(data, WAITING):
            modes = {
                path: path.stat().st_mode & 0o077 for path in (data / "run", data / "postgres")
            }

        assert set(modes.values()) == {0}


class TestSharing:
    def test_a_second_command_uses_the_same_servers(self, data: Path) -> None:
        with running(data, WAITING) as first:
            before = servers(data)

            answer(embedded(data, query("SELECT 1")))

            assert before <= servers(data)
            assert finish(first) == (0, "")
        assert servers(data) == set()

    def test_the_first_command_may_leave_first(self, data: Path) -> None:
        with running(data, WAITING) as first, running(data, WAITING) as second:
            leader = postmaster(data)

            assert finish(first) == (0, "")

            assert postmaster(data) == leader
            assert answer(embedded(data, query("SELECT 1"))) == [1]
            assert finish(second) == (0, "")
        assert servers(data) == set()

    def test_commands_that_start_at_once_start_one_server(self, tmp_path: Path) -> None:
        with (
            running(tmp_path, WAITING) as first,
            running(tmp_path, WAITING) as second,
            running(tmp_path, WAITING) as third,
        ):
            programs = [name for _, path, name in processes() if path == tmp_path / "run"]

            assert programs == ["redis-server"]
            for process in (first, second, third):
                assert finish(process) == (0, "")
        assert servers(tmp_path) == set()


class TestKilled:
    def test_a_killed_command_leaves_nothing_and_loses_nothing(self, data: Path) -> None:
        answer(embedded(data, query("CREATE TABLE survived AS SELECT 7 AS number")))
        with running(data, WAITING) as process:
            process.kill()

        assert eventually(lambda: servers(data) == set())
        assert answer(embedded(data, query("SELECT number FROM survived"))) == [7]

    def test_a_killed_command_takes_its_own_command_with_it(
        self, data: Path, tmp_path: Path
    ) -> None:
        script = f"echo $$ >'{tmp_path}/number'; echo ready; exec sleep 1000"
        with running(data, ["sh", "-c", script]) as process:
            process.kill()

        number = (tmp_path / "number").read_text().strip()
        assert eventually(lambda: not is_alive(number))

    def test_a_killed_keeper_takes_the_servers_with_it(self, data: Path) -> None:
        with running(data, WAITING) as process:
            os.kill(keeper(data), signal.SIGKILL)
            # At once, while PostgreSQL may still be writing.
            assert answer(embedded(data, query("SELECT 1"))) == [1]
            assert finish(process)[0] == 0

        assert servers(data) == set()

    def test_a_killed_server_ends_the_other_and_the_command_says_so(self, data: Path) -> None:
        with running(data, WAITING) as process:
            os.kill(postmaster(data), signal.SIGKILL)

            assert eventually(lambda: servers(data) == set())
            code, errors = finish(process)

        assert code == 0
        assert "PostgreSQL ended by itself" in errors
        assert answer(embedded(data, query("SELECT 1"))) == [1]

    def test_a_process_number_that_somebody_else_has_by_now_is_not_believed(
        self, data: Path
    ) -> None:
        answer(embedded(data, query("SELECT 1")))
        stale = f"{os.getpid()}\n{data}/postgres\n1\n5432\n{data}/run\n\n\nready\n"
        (data / "postgres" / "postmaster.pid").write_text(stale)

        assert answer(embedded(data, query("SELECT 1"))) == [1]

    def test_half_made_data_are_made_again(self, tmp_path: Path) -> None:
        half = tmp_path / "postgres.partial"
        half.mkdir()
        (half / "PG_VERSION").write_text("18")

        assert answer(embedded(tmp_path, query("SELECT 1"))) == [1]


class TestCommand:
    @pytest.mark.parametrize(
        ("script", "code"),
        [("exit 7", 7), ("kill -KILL $$", 128 + signal.SIGKILL), ("sleep 1000 & exit 3", 3)],
        ids=["code", "signal", "left something behind"],
    )
    def test_its_exit_code_is_ours(self, data: Path, script: str, code: int) -> None:
        assert embedded(data, ["sh", "-c", script]).returncode == code

    def test_what_it_leaves_behind_is_ended(self, data: Path) -> None:
        result = embedded(data, ["sh", "-c", "sleep 1000 >/dev/null 2>&1 & echo $!"])

        assert not is_alive(result.stdout.strip())

    @pytest.mark.parametrize(
        "number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1]
    )
    def test_signals_are_passed_on(self, data: Path, number: signal.Signals) -> None:
        script = f"trap 'exit 5' {number.value}; echo ready; while :; do sleep 0.05; done"
        with running(data, ["sh", "-c", script]) as process:
            process.send_signal(number)

            assert finish(process) == (5, "")

    def test_ctrl_c_reaches_it_once(self, data: Path) -> None:
        script = "trap 'echo one' INT; echo ready; while :; do sleep 0.05; done"
        with in_terminal(data, ["sh", "-c", script]) as (process, terminal):
            terminal.write(b"\x03")
            said = read_until(terminal, b"one")
            process.terminate()
            said += read_until(terminal, None)

        assert said.count(b"one") == 1

    def test_a_terminal_that_is_closed_ends_it(self, data: Path) -> None:
        with in_terminal(data, ["sh", "-c", "echo ready; exec sleep 1000"]) as (process, terminal):
            terminal.close()

            assert process.wait(timeout=60) == 128 + signal.SIGHUP

    def test_a_command_that_is_not_there_is_named(self, data: Path) -> None:
        result = embedded(data, ["no-such-command"])

        assert result.returncode == 127
        assert result.stderr == "embedded: no-such-command: No such file or directory\n"

    @pytest.mark.parametrize("arguments", [[], ["--"], ["true"], ["--unknown", "--", "true"]])
    def test_a_command_line_that_makes_no_sense_is_explained(self, arguments: list[str]) -> None:
        result = subprocess.run(
            [sys.executable, str(MANAGE), "embedded", *arguments],
            capture_output=True,
            text=True,
            check=False,
        )

        assert result.returncode == 2
        assert "usage: manage.py embedded [--no-fsync] -- COMMAND" in result.stderr

    @pytest.mark.parametrize("arguments", [["embedded", "--help"], ["help", "embedded"]])
    def test_help_needs_no_settings(self, tmp_path: Path, arguments: list[str]) -> None:
        result = subprocess.run(
            [sys.executable, str(MANAGE), *arguments],
            env=environment(tmp_path),
            capture_output=True,
            text=True,
            check=False,
        )

        assert result.returncode == 0
        assert "BENCHER_DATA_DIR" in result.stdout


class TestOwnServices:
    def test_nothing_is_started_where_both_are_set(self, tmp_path: Path) -> None:
        command = ["sh", "-c", "echo $DATABASE_URL $REDIS_URL; exit 4"]
        own = {"DATABASE_URL": "postgresql://x", "REDIS_URL": "redis://y"}

        result = embedded(tmp_path, command, more=own)

        assert (result.returncode, result.stdout) == (4, "postgresql://x redis://y\n")
        assert [path.name for path in tmp_path.iterdir()] == ["secret_key"]

    @pytest.mark.parametrize(
        ("given", "missing"), [("DATABASE_URL", "REDIS_URL"), ("REDIS_URL", "DATABASE_URL")]
    )
    def test_one_without_the_other_is_refused(
        self, tmp_path: Path, given: str, missing: str
    ) -> None:
        result = embedded(tmp_path, ["true"], more={given: "something"})

        assert result.returncode == 125
        assert result.stderr.startswith(f"embedded: {missing} is not set")


class TestNoFsync:
    def test_uses_a_server_and_data_of_its_own(self, tmp_path: Path) -> None:
        result = embedded(tmp_path, query("SHOW fsync"), "--no-fsync")

        assert answer(result) == ["off"]
        assert not (tmp_path / "postgres").exists()
        assert (tmp_path / "no-fsync" / "postgres").is_dir()

    def test_is_not_the_default(self, data: Path) -> None:
        assert answer(embedded(data, query("SHOW fsync"))) == ["on"]

    def test_replaces_data_that_do_not_start(self, tmp_path: Path) -> None:
        answer(embedded(tmp_path, query("SELECT 1"), "--no-fsync"))
        (tmp_path / "no-fsync" / "postgres" / "global" / "pg_control").unlink()

        assert answer(embedded(tmp_path, query("SELECT 1"), "--no-fsync")) == [1]


class TestPlaces:
    @pytest.mark.parametrize("name", ["a" * 120, "with space & co"])
    def test_any_path_will_do(self, tmp_path: Path, name: str) -> None:
        data = tmp_path / name
        with running(data, WAITING) as process:
            assert answer(embedded(data, query("SELECT 1"))) == [1]
            assert finish(process) == (0, "")

        assert (data / "postgres").is_dir()

    def test_the_url_says_the_socket_directory(self) -> None:
        config = dj_database_url.parse("postgresql://bencher@/bencher?host=/a/socket")

        assert (config["NAME"], config["USER"], config["HOST"]) == ("bencher", "bencher", "")
        assert config.get("OPTIONS") == {"host": "/a/socket"}

    def test_data_that_do_not_start_are_never_removed(self, tmp_path: Path) -> None:
        answer(embedded(tmp_path, query("SELECT 1")))
        control = tmp_path / "postgres" / "global" / "pg_control"
        control.rename(tmp_path / "pg_control")

        result = embedded(tmp_path, ["true"])

        assert result.returncode == 125
        assert "PostgreSQL did not start" in result.stderr
        assert "To begin with an empty database, remove" in result.stderr
        (tmp_path / "pg_control").rename(control)
        assert answer(embedded(tmp_path, query("SELECT 1"))) == [1]

    def test_a_directory_that_cannot_be_made_is_explained(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()

        result = embedded(tmp_path / "file" / "data", ["true"])

        assert result.returncode == 125
        assert "Set BENCHER_DATA_DIR to a directory of your own" in result.stderr

    def test_a_missing_package_is_explained(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("importlib.util.find_spec", lambda _: None)

        with pytest.raises(EmbeddedError, match="set DATABASE_URL and REDIS_URL"):
            places.find(tmp_path)

    def test_a_place_that_somebody_else_took_is_refused(self, tmp_path: Path) -> None:
        tmp_path.chmod(0o777)
        (tmp_path / "target").mkdir()
        (tmp_path / "taken").symlink_to(tmp_path / "target")
        us = Identity(change=Change.NONE, uid=os.geteuid(), gid=os.getegid())

        with pytest.raises(EmbeddedError, match="belongs to somebody else"):
            places.own_directory(tmp_path / "taken", us)


@pytest.fixture
def public_path() -> Iterator[Path]:
    """A directory that every user can enter, which pytest's own are not."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name)
        path.chmod(0o755)
        yield path


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
class TestUsers:
    def test_an_ordinary_user_without_a_name(self, public_path: Path) -> None:
        skip_unless_usable_by_a_stranger()
        os.chown(public_path, STRANGER, STRANGER)

        result = embedded(public_path / "data", query("SELECT 1"), user=STRANGER)

        assert answer(result) == [1]
        assert {path.stat().st_uid for path in (public_path / "data").iterdir()} == {STRANGER}

    def test_somebody_elses_directory_is_explained(self, public_path: Path) -> None:
        skip_unless_usable_by_a_stranger()
        answer(embedded(public_path / "data", query("SELECT 1")))

        result = embedded(public_path / "data", ["true"], user=STRANGER)

        assert result.returncode == 125
        assert "BENCHER_DATA_DIR" in result.stderr

    @pytest.mark.parametrize("owner", ["nobody", STRANGER])
    def test_root_in_somebodys_directory_leaves_it_usable(
        self, public_path: Path, owner: str | int
    ) -> None:
        """As with sudo: what root makes belongs to the owner of the place."""
        uid = pwd.getpwnam(owner).pw_uid if isinstance(owner, str) else owner
        if isinstance(owner, int) and not without_namespaces():
            pytest.skip("a user without a name needs a user namespace")
        os.chown(public_path, uid, uid)

        answer(embedded(public_path / "data", query("SELECT 1")))

        made = [public_path / "data" / name for name in (".", "lock", "postgres", "secret_key")]
        assert {path.stat().st_uid for path in made} == {uid}

    def test_root_without_user_namespaces_has_nobody_run_the_servers(
        self, public_path: Path
    ) -> None:
        data = public_path / "data"

        result = embedded(data, query("SELECT 1"), through=without_namespaces())

        assert answer(result) == [1]
        assert (data / "postgres").stat().st_uid == pwd.getpwnam("nobody").pw_uid
        # The same data, by whatever way this system allows.
        assert answer(embedded(data, query("SELECT 1"))) == [1]

    def test_root_in_a_place_that_nobody_can_enter(self, tmp_path: Path) -> None:
        command = ["sh", "-c", "echo $DATABASE_URL"]

        result = embedded(tmp_path / "data", command, through=without_namespaces())

        home = Path(result.stdout.strip().partition("host=")[2]).parent
        try:
            assert result.returncode == 0
            assert "its user cannot enter" in result.stderr
            assert home.parent == Path("/var/tmp")
            assert stat.S_IMODE(home.stat().st_mode) == 0o700
        finally:
            if home.name.startswith("bencher-"):
                shutil.rmtree(home)


def skip_unless_usable_by_a_stranger() -> None:
    """Another user may be unable to run this Python, or to read this checkout."""
    with suppress(OSError):
        probe = subprocess.run(
            [sys.executable, str(MANAGE), "embedded", "--help"],
            user=STRANGER,
            group=STRANGER,
            extra_groups=[],
            capture_output=True,
            check=False,
        )
        if probe.returncode == 0:
            return
    pytest.skip("another user cannot run this Python or read this checkout")


def without_namespaces() -> list[str]:
    """What to put in front of a command so that it finds none to enter."""
    if subprocess.run(["unshare", "--user", "true"], capture_output=True, check=False).returncode:
        return []  # this system is one
    return [sys.executable, "-m", "tests.bencher.without_namespaces"]
